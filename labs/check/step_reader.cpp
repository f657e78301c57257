#include "labs/check/step_reader.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "labs/check/json_parts.h"
#include "labs/check/paths.h"
#include "labs/check/poll_values.h"
#include "labs/check/skb_values.h"
#include "tracer/chain/suggest.h"

namespace skbtrail::labs {

using chain::JsonObject;
using chain::JsonValue;

namespace {

/// Every order of an `unordered` group may have to be tried.
constexpr std::size_t max_unordered = 8;

/// How a fragment calls the packet that it is used for.
constexpr std::string_view fragment_packet = "$packet";

/// Where a fragment takes the steps of the place that uses it.
constexpr std::string_view fragment_calls = "$calls";

constexpr std::array<std::string_view, 14> step_keys = {
    "call",  "any_of",   "unordered", "somewhere",  "file", "count",  "packet",
    "calls", "optional", "when",      "may_inline", "skb",  "budget", "work"};

void read_step_count(JsonObject& object, Step& step) {
    const auto count = object.find("count");
    if (!count) return;
    step.count = read_count(*count);
    if (step.count.max == 0U) {
        count->fail(
            "a step that never comes is no step; name what must not come in "
            "\"forbid\"");
    }
}

/// Where the packet's sk_buff stands when the call is made.
void read_skb(const JsonValue& value, Step& step) {
    JsonObject object(value);
    for (const std::string_view name : skb_value_names()) {
        if (const auto member = object.find(name)) {
            step.skb[std::string(name)] = member->get<std::int64_t>();
        }
    }
    object.finish();
    if (step.skb.empty()) value.fail("nothing is said of the sk_buff");
}

/// A call, or a choice of single calls: what can be compared with one call at a time.
bool stands_for_calls(const Step& step) {
    if (step.kind == Step::Kind::call) return !step.may_inline;
    if (step.kind != Step::Kind::any_of) return false;
    return std::all_of(step.alternatives.begin(), step.alternatives.end(), [](const auto& a) {
        return a.size() == 1 && a[0].kind == Step::Kind::call && !a[0].optional &&
               a[0].count.min == 1 && a[0].count.max == 1U;
    });
}

}  // namespace

Fragments::Fragments(const JsonValue& value, std::string origin)
    : value_(value), origin_(std::move(origin)) {
    if (!value.is_object()) value.fail("expected an object: the fragment's name, and its steps");
}

std::optional<Fragments::Found> Fragments::own(const std::string& name) const {
    if (!value_) return std::nullopt;
    const auto found = value_->json().find(name);
    if (found == value_->json().end()) return std::nullopt;
    return Found{JsonValue(*found, *value_, found.key()), origin_};
}

Fragments::Found Fragments::find(const std::string& name, const JsonValue& place) const {
    if (auto found = own(name)) return *found;
    if (auto found = common_paths().own(name)) return *found;
    std::vector<std::string> known = names();
    const std::vector<std::string> common = common_paths().names();
    known.insert(known.end(), common.begin(), common.end());
    const std::vector<std::string_view> views(known.begin(), known.end());
    place.fail(
        fmt::format("there is no fragment \"{}\"{}", name, chain::did_you_mean(name, views)));
}

std::vector<std::string> Fragments::names() const {
    std::vector<std::string> names;
    if (value_) {
        for (const auto& member : value_->json().items()) names.push_back(member.key());
    }
    return names;
}

StepReader::StepReader(const std::vector<std::string>& bindings, const Fragments& fragments)
    : bindings_(bindings), fragments_(fragments) {}

StepReader::StepReader(const StepReader& outer, Use use)
    : bindings_(outer.bindings_),
      fragments_(outer.fragments_),
      inside_(outer.inside_),
      use_(std::move(use)) {
    inside_.push_back(use_.name);
}

void StepReader::check_fragments(const Fragments& fragments) {
    const std::vector<std::string> no_bindings;
    const StepReader reader(no_bindings, fragments);
    const nlohmann::json nowhere;
    for (const std::string& name : fragments.names()) {
        const auto found = fragments.find(name, JsonValue(nowhere));
        StepReader(reader, {name, {}, {}, found.origin}).read_steps(found.steps);
    }
}

std::vector<Step> StepReader::read_steps(const JsonValue& value) const {
    std::vector<Step> steps;
    const std::size_t count = value.size();
    for (std::size_t i = 0; i < count; ++i) {
        const JsonValue element = value.element(i);
        if (element.is_object() && element.json().contains("use")) {
            std::vector<Step> used = use_fragment(element);
            std::move(used.begin(), used.end(), std::back_inserter(steps));
        } else if (element.is_text() && element.get<std::string>() == fragment_calls) {
            if (inside_.empty()) {
                element.fail(fmt::format("\"{}\" stands in fragments only", fragment_calls));
            }
            steps.insert(steps.end(), use_.calls.begin(), use_.calls.end());
        } else {
            steps.push_back(read_step(element));
        }
    }
    return steps;
}

std::vector<Step> StepReader::use_fragment(const JsonValue& value) const {
    JsonObject object(value);
    const JsonValue use = object.required("use");
    Use inner;
    inner.name = use.get<std::string>();
    if (const auto about = object.find("packet")) inner.packet = read_binding(*about);
    if (const auto calls = object.find("calls")) {
        inner.calls = read_steps(*calls);
    } else {
        Step anything;
        anything.kind = Step::Kind::anything;
        anything.place = place(value);
        inner.calls.push_back(std::move(anything));
    }
    Step group;
    object.optional("optional", group.optional);
    const auto when = object.find("when");
    if (when) group.when = read_conditions(*when);
    object.finish();
    if (std::find(inside_.begin(), inside_.end(), inner.name) != inside_.end()) {
        use.fail(fmt::format("the fragment \"{}\" uses itself", inner.name));
    }
    const auto found = fragments_.find(inner.name, use);
    inner.origin = found.origin;
    std::vector<Step> steps = StepReader(*this, std::move(inner)).read_steps(found.steps);
    if (!when && !group.optional) return steps;
    // All of them, or none: a choice of one.
    group.kind = Step::Kind::any_of;
    group.place = place(value);
    group.alternatives.push_back(std::move(steps));
    return {std::move(group)};
}

std::string StepReader::read_binding(const JsonValue& value) const {
    auto name = value.get<std::string>();
    if (!inside_.empty()) {
        if (name == fragment_packet) return use_.packet;
        value.fail(
            fmt::format("a fragment is about one packet, \"{}\"; who uses the fragment says "
                        "which that is",
                        fragment_packet));
    }
    if (std::find(bindings_.begin(), bindings_.end(), name) == bindings_.end()) {
        const std::vector<std::string_view> known(bindings_.begin(), bindings_.end());
        value.fail(
            fmt::format("no packet is bound to \"{}\" here: neither this chain nor one "
                        "above says \"bind\": \"{}\"{}",
                        name, name, chain::did_you_mean(name, known)));
    }
    return name;
}

/// Where a step stands: in the expectation, or in a file of fragments that it uses.
std::string StepReader::place(const JsonValue& value) const {
    if (use_.origin.empty()) return value.pointer();
    return fmt::format("{}:{}", use_.origin, value.pointer());
}

Step StepReader::read_step(const JsonValue& value) const {
    Step step;
    step.place = place(value);
    if (value.is_text()) {
        if (value.get<std::string>() == "...") {
            step.kind = Step::Kind::anything;
        } else {
            step.call = read_function(value);
        }
        return step;
    }
    if (!value.is_object()) {
        value.fail(
            "a step is the name of a function, \"...\", or an object with \"call\", "
            "\"any_of\", \"unordered\" or \"somewhere\"");
    }
    JsonObject object(value);
    read_kind(object, step);
    object.optional("optional", step.optional);
    if (const auto when = object.find("when")) step.when = read_conditions(*when);
    object.finish();
    return step;
}

void StepReader::read_kind(JsonObject& object, Step& step) const {
    constexpr std::array<std::string_view, 4> kinds = {"call", "any_of", "unordered", "somewhere"};
    const auto kind = std::find_if(kinds.begin(), kinds.end(),
                                   [&](std::string_view key) { return object.has(key); });
    if (kind == kinds.end()) {
        for (const std::string_view key : step_keys) object.find(key);
        object.finish();
        object.value().fail(
            "this step does not say what it is: \"call\", \"any_of\", "
            "\"unordered\" or \"somewhere\" is missing");
    }
    for (const std::string_view other : kinds) {
        if (other != *kind && object.has(other)) {
            object.value().fail(
                fmt::format("a step is either \"{}\" or \"{}\"; make two "
                            "steps of it",
                            *kind, other));
        }
    }
    if (*kind == "call") {
        read_call(object, step);
    } else if (*kind == "any_of") {
        read_any_of(object, step);
    } else if (*kind == "unordered") {
        read_unordered(object, step);
    } else {
        read_somewhere(object, step);
    }
}

void StepReader::read_call(JsonObject& object, Step& step) const {
    step.call = read_function(object.required("call"));
    object.optional("file", step.file);
    if (const auto packet = object.find("packet")) step.packet = read_binding(*packet);
    if (const auto skb = object.find("skb")) {
        if (!object.has("packet")) skb->fail("whose sk_buff? \"packet\" has to say it");
        read_skb(*skb, step);
    }
    for (const std::string_view name : poll_value_names()) {
        if (const auto member = object.find(name)) {
            step.poll[std::string(name)] = member->get<std::uint32_t>();
        }
    }
    if (const auto calls = object.find("calls")) step.calls = read_steps(*calls);
    read_step_count(object, step);
    object.optional("may_inline", step.may_inline);
    if (!step.may_inline) return;
    if (!step.calls) {
        object.value().fail(
            "where this call may be inlined, its own calls take its place: \"calls\" is missing");
    }
    if (step.count.min != 1 || step.count.max != 1U) {
        object.value().fail("a call that may be inlined can come once only, not with \"count\"");
    }
}

void StepReader::read_any_of(JsonObject& object, Step& step) const {
    step.kind = Step::Kind::any_of;
    const auto alternatives = object.required("any_of");
    step.alternatives = chain::read_array(alternatives, [&](const JsonValue& v) {
        return v.is_array() ? read_steps(v) : std::vector<Step>{read_step(v)};
    });
    if (step.alternatives.empty()) alternatives.fail("\"any_of\" needs an alternative");
    read_step_count(object, step);
}

void StepReader::read_unordered(JsonObject& object, Step& step) const {
    step.kind = Step::Kind::unordered;
    const auto members = object.required("unordered");
    if (members.size() > max_unordered) {
        members.fail(
            fmt::format("{} steps in any order are too many to try; at most {} can "
                        "stand in one \"unordered\"",
                        members.size(), max_unordered));
    }
    for (std::size_t i = 0; i < members.size(); ++i) {
        const JsonValue member = members.element(i);
        Step inner = read_step(member);
        if (inner.kind != Step::Kind::anything && !stands_for_calls(inner)) {
            member.fail(
                "in \"unordered\" only calls can stand, \"any_of\" of single calls, "
                "and \"...\"");
        }
        step.alternatives.push_back({std::move(inner)});
    }
}

void StepReader::read_somewhere(JsonObject& object, Step& step) const {
    step.kind = Step::Kind::somewhere;
    const auto value = object.required("somewhere");
    const auto read_one = [&](const JsonValue& v) {
        Step inner = read_step(v);
        const bool once = inner.count.min == 1 && inner.count.max == 1U && !inner.optional;
        if (!stands_for_calls(inner) || !once) {
            v.fail(
                "in \"somewhere\" only calls that come once can stand, and \"any_of\" of "
                "single calls");
        }
        return inner;
    };
    if (value.is_array()) {
        step.alternatives.push_back(chain::read_array(value, read_one));
    } else {
        step.alternatives.push_back({read_one(value)});
    }
    if (step.alternatives[0].empty()) value.fail("\"somewhere\" needs a call to look for");
}

}  // namespace skbtrail::labs
