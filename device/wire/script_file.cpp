#include "device/wire/script_file.h"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "device/wire/script_frame_json.h"
#include "device/wire/suggest.h"

namespace skbtrail::device {

namespace {

constexpr std::string_view format_name = "skbtrail-script";
constexpr std::uint64_t format_version = 1;

// Far more than a lesson needs; a file that goes beyond is a mistake.
constexpr std::size_t largest_file = std::size_t{1} << 20;
constexpr std::size_t most_steps = 1000;
constexpr std::size_t most_frames_at_once = 1024;
constexpr std::uint64_t most_frames_counted = 1'000'000'000;
constexpr std::uint64_t longest_ms = 24ull * 60 * 60 * 1000;

std::chrono::milliseconds parse_ms(const JsonNode& node) {
    return std::chrono::milliseconds(node.number(0, longest_ms));
}

/// Fails when `text` refers to a name that no earlier frame is bound to.
void check_reference(const JsonNode& node, std::string_view text, const BoundWords& bound) {
    for (const std::string& name : names_in(text)) {
        if (!bound.contains(name)) {
            std::vector<std::string_view> names;
            for (const auto& [known, word] : bound) {
                names.emplace_back(known);
            }
            node.fail(fmt::format("nothing was bound to \"{}\" before{}", name,
                                  did_you_mean(name, names)));
        }
    }
}

/// `"bind": {"name": "tcp.sequence"}`; the names are known from then on.
BoundWords parse_bind(const JsonNode& node, BoundWords& bound) {
    BoundWords bind;
    const auto object = node.find("bind");
    if (!object) {
        return bind;
    }
    for (const auto& [name, value] : object->members()) {
        if (!is_binding_name(name)) {
            value.fail(
                fmt::format("\"{}\" is no name: letters, digits and \"_\", a letter first", name));
        }
        const std::string word = value.text();
        const auto known = known_header_words();
        if (std::ranges::find(known, word) == known.end()) {
            value.fail(fmt::format("no frame has a \"{}\"{}", word, did_you_mean(word, known)));
        }
        bind[name] = word;
        bound[name] = word;
    }
    return bind;
}

FramePattern parse_pattern(const JsonNode& node, const BoundWords& bound) {
    FramePattern pattern;
    for (const auto& [word, value] : node.members()) {
        if (word == "from") {
            const std::string from = value.text();
            if (from != "guest" && from != "uplink") {
                value.fail(fmt::format("expected \"guest\" or \"uplink\", came \"{}\"", from));
            }
            pattern.from = from == "guest" ? FrameOrigin::guest : FrameOrigin::uplink;
            continue;
        }
        const auto known = known_header_words();
        if (std::ranges::find(known, word) == known.end()) {
            std::vector<std::string_view> words(known.begin(), known.end());
            words.emplace_back("from");
            value.fail(fmt::format("no frame has a \"{}\"{}", word, did_you_mean(word, words)));
        }
        const std::string given = value.text_or_number();
        if (is_reference(given)) {
            check_reference(value, given, bound);
            pattern.headers.emplace(word, given);
            continue;
        }
        auto canonical = canonical_header_value(word, given);
        if (!canonical) {
            value.fail(fmt::format("expected {}, came \"{}\"", expected_header_value(word), given));
        }
        pattern.headers.emplace(word, std::move(*canonical));
    }
    return pattern;
}

std::uint64_t parse_count(const JsonNode& node) {
    const auto count = node.find("count");
    return count ? count->number(1, most_frames_counted) : 1;
}

ScriptTrigger parse_trigger(const JsonNode& node, const std::vector<ScriptStep>& earlier,
                            BoundWords& bound) {
    constexpr std::string_view forms =
        "expected \"start\", {\"frame\": {…}, \"count\": N} or {\"step\": NAME}";
    if (node.is_text()) {
        if (node.text() != "start") {
            node.fail(forms);
        }
        return OnStart{};
    }
    node.check_keys({"frame", "count", "step", "bind"});
    const auto frame = node.find("frame");
    const auto step = node.find("step");
    if (frame.has_value() == step.has_value() ||
        (step && (node.find("count") || node.find("bind")))) {
        node.fail(forms);
    }
    if (frame) {
        FramePattern pattern = parse_pattern(*frame, bound);
        return OnFrame{std::move(pattern), parse_count(node), parse_bind(node, bound)};
    }
    const std::string name = step->text();
    const auto found = std::ranges::find(earlier, name, &ScriptStep::name);
    if (found == earlier.end()) {
        std::vector<std::string_view> names(earlier.size());
        std::ranges::transform(earlier, names.begin(),
                               [](const ScriptStep& s) -> std::string_view { return s.name; });
        step->fail(
            fmt::format("no earlier step is named \"{}\"{}", name, did_you_mean(name, names)));
    }
    return OnStepDone{static_cast<std::size_t>(found - earlier.begin())};
}

ScriptExpectation parse_expectation(const JsonNode& node, BoundWords& bound) {
    node.check_keys({"frame", "count", "within_ms", "bind"});
    ScriptExpectation expectation;
    expectation.frame = parse_pattern(node.require("frame", "the frame that is expected"), bound);
    expectation.count = parse_count(node);
    if (const auto within = node.find("within_ms")) {
        expectation.within = parse_ms(*within);
    }
    expectation.bind = parse_bind(node, bound);
    return expectation;
}

void check_references(const JsonNode& node, const BoundWords& bound) {
    if (node.is_text()) {
        check_reference(node, node.text(), bound);
    } else if (node.is_array()) {
        for (const auto& element : node.elements(most_frames_at_once)) {
            check_references(element, bound);
        }
    } else if (node.is_object()) {
        for (const auto& [key, value] : node.members()) {
            if (key != "payload") {
                check_references(value, bound);
            }
        }
    }
}

ScriptFrame parse_script_frame(const JsonNode& node, const BoundWords& bound) {
    ScriptFrame frame;
    if (has_references(node.value())) {
        check_references(node, bound);
        Bindings samples;
        for (const auto& [name, word] : bound) {
            samples[name] = sample_value(word);
        }
        std::string problem;
        const auto sample = resolve_all(node.value(), samples, problem);
        if (!sample) {
            node.fail(fmt::format("\"{}\" adds what is no number", problem));
        }
        frame.description = node.value();
        frame.recipe = parse_frame_recipe(node.with(*sample));
    } else {
        frame.recipe = parse_frame_recipe(node);
    }
    if (const auto repeat = node.find("repeat")) {
        frame.repeat = static_cast<std::uint32_t>(repeat->number(1, most_frames_at_once));
    }
    if (const auto mtu = node.find("fragment_mtu")) {
        const auto* layered = std::get_if<LayeredFrame>(&frame.recipe);
        if (layered == nullptr || !layered->vlans.empty() ||
            !std::holds_alternative<Ipv4Recipe>(layered->network)) {
            mtu->fail("only an \"ipv4\" frame without \"vlan\" can be cut into fragments");
        }
        frame.fragment_mtu = static_cast<std::size_t>(mtu->number(28, 65535));
    }
    return frame;
}

ScriptStep parse_step(const JsonNode& node, const std::vector<ScriptStep>& earlier,
                      BoundWords& bound) {
    node.check_keys({"name", "when", "after_ms", "send", "expect"});
    ScriptStep step;
    const auto name = node.find("name");
    step.name = name ? name->text() : fmt::format("step {}", earlier.size() + 1);
    if (std::ranges::find(earlier, step.name, &ScriptStep::name) != earlier.end()) {
        (name ? *name : node).fail(fmt::format("another step is named \"{}\" too", step.name));
    }
    if (const auto when = node.find("when")) {
        step.when = parse_trigger(*when, earlier, bound);
    }
    if (const auto after = node.find("after_ms")) {
        step.after = parse_ms(*after);
    }
    if (const auto send = node.find("send")) {
        if (send->is_array()) {
            for (const auto& frame : send->elements(most_frames_at_once)) {
                step.send.push_back(parse_script_frame(frame, bound));
            }
        } else {
            step.send.push_back(parse_script_frame(*send, bound));
        }
    }
    std::uint64_t frames = 0;
    for (const ScriptFrame& frame : step.send) {
        frames += frame.repeat;
    }
    if (frames > most_frames_at_once) {
        node.fail(
            fmt::format("{} frames are too many at once; at most {}", frames, most_frames_at_once));
    }
    if (const auto expect = node.find("expect")) {
        step.expect = parse_expectation(*expect, bound);
    }
    if (step.send.empty() && !step.expect) {
        node.fail("this step does nothing; give it \"send\" or \"expect\"");
    }
    return step;
}

void check_format(const JsonNode& top) {
    const auto format = top.require("format", fmt::format("\"{}\"", format_name));
    if (!format.is_text() || format.text() != format_name) {
        format.fail(fmt::format("this is no script for a wire: expected \"{}\"", format_name));
    }
    const auto version = top.require("version", fmt::format("{}", format_version));
    if (version.number(1, longest_ms) != format_version) {
        version.fail(fmt::format("this skbtrail understands version {}; a newer one may know it",
                                 format_version));
    }
}

}  // namespace

bool FramePattern::matches(FrameOrigin origin, const HeaderWords& words,
                           const Bindings& bindings) const {
    if (from && *from != origin) {
        return false;
    }
    return std::ranges::all_of(headers, [&](const auto& header) {
        const auto found = words.find(header.first);
        if (found == words.end()) {
            return false;
        }
        if (!is_reference(header.second)) {
            return found->second == header.second;
        }
        const auto value = resolve_reference(header.second, bindings);
        return value && found->second == canonical_header_value(header.first, *value);
    });
}

std::string FramePattern::describe() const {
    std::string text;
    for (const auto& [word, value] : headers) {
        text += fmt::format("{}{}={}", text.empty() ? "" : " ", word, value);
    }
    if (text.empty()) {
        text = "any frame";
    }
    if (from) {
        text += *from == FrameOrigin::guest ? " from the guest" : " from the uplink";
    }
    return text;
}

Script load_script(const std::string& path) {
    const auto fail = [&path](std::string_view why) {
        throw ScriptError(fmt::format("cannot read the script \"{}\": {}", path, why));
    };
    errno = 0;
    std::ifstream stream(path, std::ios::binary);
    if (!stream) {
        fail(std::generic_category().message(errno));
    }
    std::string text(largest_file + 1, '\0');
    stream.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (stream.bad()) {
        fail(errno != 0 ? std::generic_category().message(errno) : "reading failed");
    }
    text.resize(static_cast<std::size_t>(stream.gcount()));
    if (text.size() > largest_file) {
        fail(fmt::format("it is larger than {} KiB", largest_file >> 10));
    }
    return parse_script(text, path);
}

Script parse_script(std::string_view text, const std::string& file) {
    nlohmann::json document;
    try {
        document = nlohmann::json::parse(text);
    } catch (const nlohmann::json::exception& error) {  // parse_error, and out_of_range for 1e999
        // The library's sentence says line and column; its own number in front says nothing.
        const std::string_view what = error.what();
        const auto bracket = what.find("] ");
        throw ScriptError(
            fmt::format("{}: not JSON: {}", file,
                        bracket == std::string_view::npos ? what : what.substr(bracket + 2)));
    }
    const JsonNode top(document, file);
    check_format(top);
    top.check_keys({"format", "version", "uplink", "steps"});
    Script script;
    script.file = file;
    if (const auto uplink = top.find("uplink")) {
        script.uplink = uplink->text();
    }
    BoundWords bound;
    for (const auto& step : top.require("steps", "a list of steps").elements(most_steps)) {
        script.steps.push_back(parse_step(step, script.steps, bound));
    }
    return script;
}

}  // namespace skbtrail::device
