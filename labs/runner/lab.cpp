#include "labs/runner/lab.h"

#include <algorithm>
#include <cctype>
#include <ranges>
#include <set>
#include <system_error>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "labs/check/expectation.h"
#include "labs/runner/data_files.h"
#include "labs/runner/failure.h"
#include "labs/runner/kernel_config.h"
#include "labs/runner/lab_names.h"
#include "tracer/chain/json_reader.h"
#include "tracer/chain/suggest.h"

namespace skbtrail::labs {
namespace {

namespace fs = std::filesystem;
using chain::JsonObject;
using chain::JsonValue;

constexpr unsigned longest_deadline_s = 24 * 3600;
constexpr unsigned most_memory_mib = 65536;
constexpr unsigned least_memory_mib = 128;
constexpr unsigned most_vcpus = 64;
constexpr unsigned most_latency_ms = 1000;
constexpr unsigned most_queue_pairs = 8;  // as skbtrail-nic --queues

/// Fails unless the number is in [low, high].
unsigned bounded(const JsonValue& value, unsigned low, unsigned high) {
    const auto number = value.get<unsigned>();
    if (number < low || number > high) {
        value.fail(fmt::format("{} is out of range: {} to {}", number, low, high));
    }
    return number;
}

std::string not_empty(const JsonValue& value) {
    auto text = value.get<std::string>();
    if (text.empty()) {
        value.fail("must not be empty");
    }
    return text;
}

/// What is an expression and what is not is the collector's to say.
std::string filter_expression(const JsonValue& value) {
    auto text = not_empty(value);
    if (text.front() == '-') {
        value.fail("must not begin with \"-\", which makes it an option of skbtrail-collect's");
    }
    return text;
}

/// An option of --wire as text; a comma would end it.
std::string wire_option(const JsonValue& value) {
    std::string text;
    if (value.json().is_boolean()) {
        text = value.get<bool>() ? "true" : "false";
    } else if (value.json().is_number_integer()) {
        text = std::to_string(value.get<std::int64_t>());
    } else {
        text = not_empty(value);
    }
    if (text.find(',') != std::string::npos) {
        value.fail("must not have a comma in it: it becomes a part of the NIC's --wire option");
    }
    return text;
}

LabWire parse_wire(const JsonValue& value) {
    LabWire wire;
    JsonObject object(value);
    wire.kind = not_empty(object.required("kind"));
    // Which options a kind of wire has is the NIC's to know, and to complain about.
    for (const auto& [key, member] : value.json().items()) {
        const auto option = object.required(key);
        if (key == "file") {
            file_name(option);
        }
        if (key != "kind") {
            wire.options[key] = wire_option(option);
        }
    }
    return wire;
}

LabStep parse_step(const JsonValue& value) {
    LabStep step;
    JsonObject object(value);
    step.name = not_empty(object.required("name"));
    step.run = file_name(object.required("run"));
    object.optional("record", step.record);
    if (const auto deadline = object.find("deadline_s")) {
        step.deadline = std::chrono::seconds(bounded(*deadline, 1, longest_deadline_s));
    }
    object.finish();
    return step;
}

std::vector<LabStep> parse_steps(const JsonValue& value) {
    std::vector<LabStep> steps;
    std::set<std::string> names;
    std::size_t recorded = 0;
    for (std::size_t index = 0; index < value.size(); ++index) {
        const auto element = value.element(index);
        steps.push_back(parse_step(element));
        recorded += steps.back().record ? 1 : 0;
        if (!names.insert(steps.back().name).second) {
            element.fail(fmt::format("there are two steps called \"{}\"", steps.back().name));
        }
    }
    if (recorded != 1) {
        value.fail(fmt::format(
            "{} steps have \"record\": true; exactly one must, it is what the recording shows",
            recorded));
    }
    return steps;
}

/// "own": a guest of its own.
bool is_own(const JsonValue& value) {
    const auto text = value.get<std::string>();
    if (text != "own" && text != "any") {
        value.fail(fmt::format(
            "\"{}\" is neither \"own\" (it boots a guest of its own) nor \"any\"", text));
    }
    return text == "own";
}

/// The name of a function, or, with `globs`, a pattern of such names. More would be another
/// parameter of the kernel's.
std::string function_name(const JsonValue& value, bool globs) {
    auto name = not_empty(value);
    const auto fits = [globs](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' ||
               (globs && (c == '*' || c == '?'));
    };
    if (!std::ranges::all_of(name, fits)) {
        value.fail(fmt::format("\"{}\" is not the name of a function{}", name,
                               globs ? ", with * and ? for others of its kind" : ""));
    }
    return name;
}

BootTrace parse_boot_trace(const JsonValue& value) {
    BootTrace trace;
    JsonObject object(value);
    const auto root = object.required("root");
    if (root.is_array()) {
        trace.roots =
            read_array(root, [](const JsonValue& one) { return function_name(one, false); });
    } else {
        trace.roots = {function_name(root, false)};
    }
    if (trace.roots.empty() || trace.roots.size() > most_boot_trace_roots) {
        root.fail(fmt::format("{} functions; there may be 1 to {}", trace.roots.size(),
                              most_boot_trace_roots));
    }
    const auto functions = object.required("functions");
    std::size_t characters = 0;
    for (std::size_t i = 0; i < functions.size(); ++i) {
        trace.functions.push_back(function_name(functions.element(i), true));
        characters += trace.functions.back().size() + 1;
    }
    if (trace.functions.empty()) {
        functions.fail("there would be nothing but the root; name what may be called there");
    }
    if (characters > most_boot_trace_characters) {
        functions.fail(fmt::format(
            "{} characters are more than the {} for which the kernel's command line has room: "
            "globs say more with less",
            characters, most_boot_trace_characters));
    }
    object.finish();
    return trace;
}

LabNic parse_card(JsonObject& members) {
    LabNic nic;
    members.optional("features", nic.features);
    if (const auto latency = members.find("latency_ms")) {
        nic.latency_ms = bounded(*latency, 0, most_latency_ms);
    }
    if (const auto pairs = members.find("queue_pairs")) {
        nic.queue_pairs = bounded(*pairs, 1, most_queue_pairs);
    }
    return nic;
}

/// The first has its wire beside it.
LabNic parse_first_nic(const JsonValue& value) {
    JsonObject members(value);
    auto nic = parse_card(members);
    members.finish();
    return nic;
}

LabNic parse_further_nic(const JsonValue& value) {
    JsonObject members(value);
    auto nic = parse_card(members);
    nic.wire = parse_wire(members.required("wire"));
    members.finish();
    return nic;
}

void parse_further_nics(const JsonValue& value, Lab& lab) {
    const auto more = chain::read_array(value, parse_further_nic);
    if (lab.nics.size() + more.size() > most_nics) {
        value.fail(fmt::format("{} of them and the first: a guest may have {} at most", more.size(),
                               most_nics));
    }
    lab.nics.insert(lab.nics.end(), more.begin(), more.end());
}

void parse_kernel(const JsonValue& value, Lab& lab) {
    JsonObject object(value);
    if (const auto version = object.find("default")) {
        lab.kernel = not_empty(*version);
    }
    object.optional("needs", lab.kernel_needs);
    object.finish();
}

/// Whether a file is there that lab.json names.
void require_file(const Lab& lab, const std::string& name, std::string_view named_by) {
    std::error_code error;
    if (!fs::is_regular_file(lab.folder / name, error)) {
        throw CannotRun(fmt::format("the lab {} names the file {} ({}), which is not in {}",
                                    lab.name, name, named_by, lab.folder.string()));
    }
}

}  // namespace

const LabStep& Lab::recorded_step() const {
    return *std::find_if(steps.begin(), steps.end(), [](const auto& step) { return step.record; });
}

fs::path Lab::expectation() const {
    auto file = folder / "expect.json";
    std::error_code error;
    if (!fs::exists(file, error)) {
        throw CannotRun(fmt::format(
            "the lab {} has no expect.json, which says what is expected of its recording ({} is "
            "not there). Begin with one chain; docs/labs.md shows it under \"A first one\".",
            name, file.string()));
    }
    return file;
}

std::string Lab::wire_argument(const LabNic& nic, const fs::path& run_directory) const {
    const auto placed = [&](const std::string& key, const std::string& value) {
        if (key == "file") return folder / value;
        return key == "path" ? run_directory / value : fs::path(value);
    };
    std::string argument = nic.wire.kind;
    for (const auto& [key, value] : nic.wire.options) {
        argument += fmt::format(",{}={}", key, placed(key, value).string());
    }
    return argument;
}

Lab parse_lab(std::string_view json, const fs::path& folder) {
    const auto document = chain::parse_json(json);
    const JsonValue root(document);
    auto object =
        chain::open_document(root, {.format = "skbtrail-lab", .version = 1, .name = "a lab"});
    Lab lab;
    lab.folder = folder;
    lab.name = folder.filename().string();
    lab.title = not_empty(object.required("title"));
    object.optional("about", lab.about);
    if (const auto kernel = object.find("kernel")) {
        parse_kernel(*kernel, lab);
    }
    if (const auto nic = object.find("nic")) {
        lab.nics.front() = parse_first_nic(*nic);
    }
    lab.nics.front().wire = parse_wire(object.required("wire"));
    if (const auto more = object.find("more_nics")) {
        parse_further_nics(*more, lab);
    }
    if (const auto guest = object.find("guest")) {
        lab.own_guest = is_own(*guest);
    }
    if (const auto trace = object.find("boot_trace")) {
        lab.boot_trace = parse_boot_trace(*trace);
    }
    object.optional("interrupts", lab.interrupts);
    if (const auto filter = object.find("filter")) {
        lab.filter = filter_expression(*filter);
    }
    if (const auto vcpus = object.find("vcpus")) {
        lab.vcpus = bounded(*vcpus, 1, most_vcpus);
    }
    if (const auto memory = object.find("memory_mib")) {
        lab.memory_mib = bounded(*memory, least_memory_mib, most_memory_mib);
    }
    object.optional("modules", lab.modules);
    lab.programs = chain::read_optional_array(object, "programs", program_name);
    object.optional("sysctls", lab.sysctls);
    lab.steps = parse_steps(object.required("steps"));
    object.optional("show", lab.show);
    object.finish();
    return lab;
}

Lab load_lab(const fs::path& given) {
    const auto folder = fs::canonical(given);
    const auto file = folder / "lab.json";
    const auto text = chain::read_file(file.string());
    auto lab = [&] {
        try {
            return parse_lab(text, folder);
        } catch (const chain::FormatError& error) {
            throw chain::FormatError(fmt::format("{}: {}", file.string(), error.what()));
        }
    }();
    for (const auto& step : lab.steps) {
        require_file(lab, step.run, fmt::format("step \"{}\"", step.name));
    }
    for (const auto& nic : lab.nics) {
        if (const auto script = nic.wire.options.find("file"); script != nic.wire.options.end()) {
            require_file(lab, script->second, "the wire's");
        }
    }
    if (folder.string().find(',') != std::string::npos) {
        throw CannotRun(fmt::format(
            "the lab's folder {} has a comma in its path, which the NIC's --wire option cannot "
            "carry: move it",
            folder.string()));
    }
    return lab;
}

void check_shown_chains(const Lab& lab, const Expectation& expectation) {
    std::vector<std::string_view> names;
    for (const ExpectedChain& chain : expectation.chains) names.push_back(chain.name);
    for (std::size_t i = 0; i < lab.show.size(); ++i) {
        const auto& shown = lab.show[i];
        if (std::ranges::find(names, shown) != names.end()) continue;
        throw chain::FormatError(
            fmt::format("{}: /show/{}: {} has no chain \"{}\"{}; it has: {}",
                        (lab.folder / "lab.json").string(), i, lab.expectation().string(), shown,
                        chain::did_you_mean(shown, names), fmt::join(names, ", ")));
    }
}

std::vector<fs::path> lab_directories(const std::vector<std::string>& named) {
    std::vector<fs::path> directories(named.begin(), named.end());
    for (const auto& directory : data_directories()) {
        directories.push_back(directory / "labs");
    }
    return directories;
}

std::map<std::string, fs::path> list_labs(const std::vector<fs::path>& directories) {
    std::map<std::string, fs::path> labs;
    for (const auto& directory : directories) {
        std::error_code error;
        for (const auto& entry : fs::directory_iterator(directory, error)) {
            if (fs::exists(entry.path() / "lab.json", error)) {
                labs.emplace(entry.path().filename().string(), entry.path());
            }
        }
    }
    return labs;
}

fs::path find_lab(const std::string& name, const std::vector<fs::path>& directories) {
    if (name.empty()) {
        throw CannotRun(
            "the name of a lab is empty: was it a variable that a script has not set? `skbtrail "
            "list` shows the names.");
    }
    if (name.find('/') != std::string::npos || name == "." || name == "..") {
        throw CannotRun(fmt::format(
            "\"{}\" is a path; a lab is called by its name. `skbtrail list` shows the names; "
            "`--labs DIR` adds the labs that are folders of DIR.",
            name));
    }
    const auto labs = list_labs(directories);
    if (const auto found = labs.find(name); found != labs.end()) {
        return found->second;
    }
    std::vector<std::string_view> names;
    names.reserve(labs.size());
    for (const auto& [known, folder] : labs) {
        names.push_back(known);
    }
    const auto places = fmt::format(
        "{}", fmt::join(directories |
                            std::views::transform([](const auto& path) { return path.string(); }),
                        ", "));
    if (names.empty()) {
        throw CannotRun(fmt::format(
            "there is no lab \"{}\", and no other lab either (looked in {})", name, places));
    }
    throw CannotRun(fmt::format("there is no lab \"{}\"{}; there are: {} (looked in {})", name,
                                chain::did_you_mean(name, names), fmt::join(names, ", "), places));
}

std::vector<std::string> missing_needs(const Lab& lab, std::string_view kernel_config) {
    const KernelConfig config(kernel_config);
    std::vector<std::string> missing;
    for (const auto& need : lab.kernel_needs) {
        if (!config.has(need)) missing.push_back(need);
    }
    return missing;
}

}  // namespace skbtrail::labs
