#include "labs/check/expectation_json.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tracer/chain/json_reader.h"
#include "tracer/chain/names.h"
#include "tracer/chain/suggest.h"

namespace skbtrail::labs {
namespace {

using chain::JsonObject;
using chain::JsonValue;

constexpr chain::DocumentKind expectation_kind{"skbtrail-expectation", 1, "an expectation"};

/// Every order of an `unordered` group may have to be tried.
constexpr std::size_t max_unordered = 8;

template <typename T, typename Read>
std::vector<T> read_array(const JsonValue& value, const Read& read) {
    std::vector<T> result;
    const std::size_t count = value.size();
    result.reserve(count);
    for (std::size_t i = 0; i < count; ++i) result.push_back(read(value.element(i)));
    return result;
}

/// A string, or an array of strings.
std::vector<std::string> read_one_or_more(const JsonValue& value) {
    if (value.is_text()) return {value.get<std::string>()};
    auto result = value.get<std::vector<std::string>>();
    if (result.empty()) value.fail("this list is empty; name at least one");
    return result;
}

bool is_name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '$';
}

/// The name of a function, without a compiler's suffix.
std::string read_function(const JsonValue& value) {
    const auto name = value.get<std::string>();
    if (name.empty()) value.fail("a function's name cannot be empty");
    const auto odd = std::find_if_not(name.begin(), name.end(), is_name_character);
    if (odd != name.end()) {
        const bool glob = *odd == '*' || *odd == '?' || *odd == '[';
        value.fail(fmt::format("\"{}\" is not the name of a function{}", name,
                               glob ? "; a glob can stand in \"forbid\" and \"noise\" only"
                                    : "; write it as kallsyms does, without () or arguments"));
    }
    return std::string(chain::base_name(name));
}

CountRange read_count(const JsonValue& value) {
    CountRange count;
    if (!value.is_object()) {
        count.min = value.get<unsigned>();
        count.max = count.min;
        return count;
    }
    JsonObject object(value);
    object.optional("min", count.min);
    object.optional("max", count.max);
    object.finish();
    if (count.max && *count.max < count.min) {
        value.fail(
            fmt::format("at least {} and at most {} cannot both hold", count.min, *count.max));
    }
    return count;
}

/// ">=6.2", "<6.9.1", "6.12".
void check_kernel_condition(const JsonValue& value, const std::string& text) {
    const std::size_t digits = text.find_first_not_of("<>=!");
    const std::string op = text.substr(0, digits);
    constexpr std::array<std::string_view, 7> operators = {"", "=", "==", "!=", "<", "<=", ">"};
    const bool known =
        op == ">=" || std::find(operators.begin(), operators.end(), op) != operators.end();
    bool number = false;
    bool well_formed = digits != std::string::npos;
    for (std::size_t i = digits; well_formed && i < text.size(); ++i) {
        const bool digit = text[i] >= '0' && text[i] <= '9';
        well_formed = digit || (text[i] == '.' && number);
        number = digit;
    }
    if (!known || !well_formed || !number) {
        value.fail(
            fmt::format("\"{}\" is no condition on a kernel's version; write for example "
                        "\">=6.2\", \"<6.9\" or \"6.12\" (any 6.12.x)",
                        text));
    }
}

Conditions read_conditions(const JsonValue& value) {
    Conditions when;
    JsonObject object(value);
    if (const auto kernel = object.find("kernel")) {
        when.kernel = read_one_or_more(*kernel);
        for (const std::string& text : when.kernel) check_kernel_condition(*kernel, text);
    }
    if (const auto config = object.find("config")) {
        when.config = config->get<std::map<std::string, std::string>>();
        for (const auto& [option, wanted] : when.config) {
            if (!option.starts_with("CONFIG_")) {
                config->fail(
                    fmt::format("\"{}\" is no kernel option; they begin with CONFIG_", option));
            }
        }
    }
    object.optional("features", when.features);
    object.finish();
    if (when.empty())
        value.fail(
            "this condition says nothing: \"kernel\", \"config\" or "
            "\"features\" is missing");
    return when;
}

/// Reads the steps of one expectation. Knows which bindings there are at the place.
class StepReader {
  public:
    explicit StepReader(const std::vector<std::string>& bindings) : bindings_(bindings) {}

    std::vector<Step> read_steps(const JsonValue& value) const {
        return read_array<Step>(value, [&](const JsonValue& step) { return read_step(step); });
    }

    /// The name of a binding under "packet".
    std::string read_binding(const JsonValue& value) const {
        auto name = value.get<std::string>();
        if (std::find(bindings_.begin(), bindings_.end(), name) == bindings_.end()) {
            const std::vector<std::string_view> known(bindings_.begin(), bindings_.end());
            value.fail(
                fmt::format("no packet is bound to \"{}\" here: neither this chain nor one "
                            "above says \"bind\": \"{}\"{}",
                            name, name, chain::did_you_mean(name, known)));
        }
        return name;
    }

  private:
    Step read_step(const JsonValue& value) const {
        Step step;
        step.place = value.pointer();
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

    void read_kind(JsonObject& object, Step& step) const {
        constexpr std::array<std::string_view, 4> kinds = {"call", "any_of", "unordered",
                                                           "somewhere"};
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

    void read_call(JsonObject& object, Step& step) const {
        step.call = read_function(object.required("call"));
        object.optional("file", step.file);
        if (const auto packet = object.find("packet")) step.packet = read_binding(*packet);
        if (const auto calls = object.find("calls")) step.calls = read_steps(*calls);
        read_step_count(object, step);
    }

    static void read_step_count(JsonObject& object, Step& step) {
        const auto count = object.find("count");
        if (!count) return;
        step.count = read_count(*count);
        if (step.count.max == 0U) {
            count->fail(
                "a step that never comes is no step; name what must not come in "
                "\"forbid\"");
        }
    }

    void read_any_of(JsonObject& object, Step& step) const {
        step.kind = Step::Kind::any_of;
        const auto alternatives = object.required("any_of");
        step.alternatives = read_array<std::vector<Step>>(alternatives, [&](const JsonValue& v) {
            return v.is_array() ? read_steps(v) : std::vector<Step>{read_step(v)};
        });
        if (step.alternatives.empty()) alternatives.fail("\"any_of\" needs an alternative");
        read_step_count(object, step);
    }

    void read_unordered(JsonObject& object, Step& step) const {
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

    void read_somewhere(JsonObject& object, Step& step) const {
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
            step.alternatives.push_back(read_array<Step>(value, read_one));
        } else {
            step.alternatives.push_back({read_one(value)});
        }
        if (step.alternatives[0].empty()) value.fail("\"somewhere\" needs a call to look for");
    }

    /// A call, or a choice of single calls: what can be compared with one call at a time.
    static bool stands_for_calls(const Step& step) {
        if (step.kind == Step::Kind::call) return true;
        if (step.kind != Step::Kind::any_of) return false;
        return std::all_of(step.alternatives.begin(), step.alternatives.end(), [](const auto& a) {
            return a.size() == 1 && a[0].kind == Step::Kind::call && !a[0].optional &&
                   a[0].count.min == 1 && a[0].count.max == 1U;
        });
    }

    static constexpr std::array<std::string_view, 10> step_keys = {
        "call",  "any_of", "unordered", "somewhere", "file",
        "count", "packet", "calls",     "optional",  "when"};

    const std::vector<std::string>& bindings_;
};

std::vector<Forbidden> read_forbidden(const JsonValue& value, const StepReader& steps) {
    return read_array<Forbidden>(value, [&](const JsonValue& item) {
        Forbidden forbidden;
        forbidden.place = item.pointer();
        if (item.is_text()) {
            forbidden.pattern = item.get<std::string>();
        } else {
            JsonObject object(item);
            object.required("call", forbidden.pattern);
            if (const auto packet = object.find("packet")) {
                forbidden.packet = steps.read_binding(*packet);
            }
            if (const auto when = object.find("when")) forbidden.when = read_conditions(*when);
            object.finish();
        }
        if (forbidden.pattern.empty()) item.fail("a name or a glob cannot be empty");
        return forbidden;
    });
}

PacketSelector read_packet(const JsonValue& value, const StepReader& steps) {
    PacketSelector selector;
    if (value.is_text()) {
        selector.same_as = steps.read_binding(value);
        return selector;
    }
    if (!value.is_object()) {
        value.fail(
            "expected the name of a binding, or an object of headers like "
            "{\"icmp.type\": \"echo-reply\"}");
    }
    for (const auto& member : value.json().items()) {
        const JsonValue wanted(member.value(), value, member.key());
        selector.headers[member.key()] = read_one_or_more(wanted);
    }
    return selector;
}

/// Reads the chains of one expectation, in order: each may refer to what those above have bound.
class ChainReader {
  public:
    ExpectedChain read(const JsonValue& value) {
        ExpectedChain expected;
        expected.place = value.pointer();
        JsonObject object(value);
        const auto name = object.required("name");
        expected.name = name.get<std::string>();
        if (expected.name.empty()) name.fail("a chain needs a name that people can read");
        if (std::find(names_.begin(), names_.end(), expected.name) != names_.end()) {
            name.fail(fmt::format("there is a chain \"{}\" above already", expected.name));
        }
        names_.push_back(expected.name);
        object.optional("about", expected.about);
        if (const auto when = object.find("when")) expected.when = read_conditions(*when);
        read_roots(object.required("root"), expected);
        const StepReader before(bindings_);
        if (const auto packet = object.find("packet")) {
            expected.packet = read_packet(*packet, before);
        }
        if (const auto bind = object.find("bind")) read_bind(*bind, expected);
        if (const auto count = object.find("count")) expected.count = read_count(*count);
        const StepReader steps(bindings_);
        if (const auto calls = object.find("calls")) expected.calls = steps.read_steps(*calls);
        if (const auto forbid = object.find("forbid")) {
            expected.forbid = read_forbidden(*forbid, steps);
        }
        object.finish();
        return expected;
    }

    const std::vector<std::string>& bindings() const { return bindings_; }

  private:
    static void read_roots(const JsonValue& value, ExpectedChain& expected) {
        if (value.is_array()) {
            expected.roots = read_array<std::string>(value, read_function);
            if (expected.roots.empty()) value.fail("this list is empty; name at least one");
        } else {
            expected.roots = {read_function(value)};
        }
    }

    void read_bind(const JsonValue& value, ExpectedChain& expected) {
        expected.bind = value.get<std::string>();
        if (expected.bind.empty()) value.fail("a binding needs a name");
        if (!expected.packet) {
            value.fail("there is no packet to bind: say with \"packet\" which one is meant");
        }
        if (std::find(bindings_.begin(), bindings_.end(), expected.bind) != bindings_.end()) {
            value.fail(fmt::format("a chain above binds \"{}\" already", expected.bind));
        }
        bindings_.push_back(expected.bind);
    }

    std::vector<std::string> names_;
    std::vector<std::string> bindings_;
};

std::map<std::string, std::vector<std::string>> read_aliases(const JsonValue& value) {
    std::map<std::string, std::vector<std::string>> aliases;
    const JsonObject object(value);
    for (const auto& member : value.json().items()) {
        const JsonValue names(member.value(), value, member.key());
        aliases[std::string(chain::base_name(member.key()))] =
            read_array<std::string>(names, read_function);
    }
    return aliases;
}

}  // namespace

Expectation parse_expectation(std::string_view json) {
    const nlohmann::json document = chain::parse_json(json);
    const JsonValue document_value(document);
    JsonObject object = chain::open_document(document_value, expectation_kind);
    Expectation expectation;
    object.optional("title", expectation.title);
    object.optional("draft", expectation.draft);
    if (const auto aliases = object.find("aliases")) {
        expectation.aliases = read_aliases(*aliases);
    }
    object.optional("noise", expectation.noise);
    ChainReader reader;
    const auto chains = object.required("chains");
    expectation.chains = read_array<ExpectedChain>(
        chains, [&](const JsonValue& value) { return reader.read(value); });
    if (expectation.chains.empty()) {
        chains.fail("no chain is expected, so nothing could be judged; name at least one");
    }
    if (const auto forbid = object.find("forbid")) {
        expectation.forbid = read_forbidden(*forbid, StepReader(reader.bindings()));
    }
    object.finish();
    return expectation;
}

Expectation load_expectation(const std::string& path) {
    const std::string text = chain::read_file(path);
    try {
        return parse_expectation(text);
    } catch (const chain::FormatError& error) {
        throw chain::FormatError(fmt::format("{}: {}", path, error.what()));
    }
}

}  // namespace skbtrail::labs
