// skbtrail diff: did two kernels do the same with the same packets, and in the chains without any?
#include <cstdio>
#include <filesystem>
#include <future>
#include <iostream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "labs/batch/matrix.h"
#include "labs/batch/pool.h"
#include "labs/command.h"
#include "labs/diff/compare.h"
#include "labs/run_arguments.h"
#include "labs/runner/failure.h"
#include "labs/runner/lab.h"
#include "labs/runner/watch.h"
#include "labs/show/diff.h"
#include "labs/show/paint.h"
#include "tracer/chain/json_reader.h"

namespace skbtrail::labs {
namespace {

struct DiffArguments {
    std::vector<std::string> recordings;
    std::vector<std::string> kernels;
    std::vector<std::string> lab_directories;
    std::string change;
    std::string output;
    diff::CompareOptions compare;
    std::string format = "text";
    bool strict = false;
    bool full = false;
    bool list_rules = false;
    LookOptions look;
};

int print_rules(const ShowOptions& options) {
    for (const diff::Rule& rule : diff::named_rules()) {
        std::cout << paint(rule.name, Ink::strong, options.colour) << '\n';
        for (const auto& line : wrapped(rule.reason, options.width - 4)) {
            std::cout << "    " << line << '\n';
        }
    }
    return exit_passed;
}

/// Runs the lab on a kernel; the result directory.
std::string record(const batch::Cell& cell, const std::vector<std::string>& options,
                   const std::filesystem::path& directory, const SignalWatch& signals) {
    std::filesystem::create_directories(directory);
    const auto results = batch::run_all(
        {cell},
        {.program = "/proc/self/exe",
         .arguments = options,
         .directory = std::filesystem::canonical(directory),
         .jobs = 1},
        signals, [](const auto&) {}, [](const auto&) {});
    const auto& result = results.front();
    fmt::print(stderr, "{} on {}: {} ({:.1f} s)\n", result.lab,
               result.release.empty() ? result.kernel : result.release,
               batch::outcome_name(result.outcome), result.seconds);
    // One that diverged, or whose step failed, has a recording all the same: it is what is to be
    // compared.
    if (!std::filesystem::exists(directory / cell.folder() / "recording.json")) {
        throw CannotRun(fmt::format("{} on {} has no recording to compare: {}: {}", result.lab,
                                    result.kernel, batch::outcome_name(result.outcome),
                                    result.text));
    }
    return (directory / cell.folder()).string();
}

/// Runs the lab on both kernels, which may be one, or on one as it is and changed; the result
/// directories.
std::vector<std::string> record_both(const DiffArguments& arguments) {
    const auto& lab = arguments.recordings.front();
    find_lab(lab, lab_directories(arguments.lab_directories));
    const auto directory = new_batch_directory(arguments.output, "diff");
    std::vector<std::string> options;
    for (const auto& place : arguments.lab_directories) {
        options.insert(options.end(), {"--labs", place});
    }
    const SignalWatch signals;
    auto kernels = batch::split_kernels(arguments.kernels);
    if (kernels.empty()) kernels.emplace_back();  // the lab's
    const auto a = record({lab, kernels.front()}, options, directory / "a", signals);
    if (!arguments.change.empty()) options.insert(options.end(), {"--change", arguments.change});
    const auto b = record({lab, kernels.back()}, options, directory / "b", signals);
    return {a, b};
}

/// What the verdict beside a recording calls its chains; nothing where there is none.
std::vector<diff::NamedChain> named_chains(const std::string& named) {
    const std::filesystem::path recording = recording_file(named);
    const auto verdict = recording.parent_path() / "verdict.json";
    std::error_code error;
    // One that goes by another name may be anybody's.
    if (recording.filename() != "recording.json" || !std::filesystem::exists(verdict, error)) {
        return {};
    }
    try {
        return diff::parse_named_chains(chain::read_file(verdict));
    } catch (const chain::FormatError& wrong) {
        throw chain::FormatError(fmt::format("{}: {}", verdict.string(), wrong.what()));
    }
}

int compare_recordings(DiffArguments& arguments) {
    const auto options = show_options(arguments.look);
    if (arguments.list_rules) return print_rules(options);
    if (arguments.recordings.size() == 1) arguments.recordings = record_both(arguments);
    arguments.compare.use_rules = !arguments.strict;
    if (!arguments.compare.packet && arguments.compare.focus.from.empty()) {
        arguments.compare.chains_a = named_chains(arguments.recordings[0]);
        arguments.compare.chains_b = named_chains(arguments.recordings[1]);
    }
    // Reading is most of the work, and two can do it at once.
    auto loading_b =
        std::async(std::launch::async, [&] { return named_recording(arguments.recordings[1]); });
    const auto a = named_recording(arguments.recordings[0]);
    const auto b = loading_b.get();
    const auto comparison =
        diff::compare(a, arguments.recordings[0], b, arguments.recordings[1], arguments.compare);
    if (arguments.format == "json") {
        std::cout << to_json(comparison);
    } else {
        auto shown = options;
        shown.fold = !arguments.full;
        show_diff(std::cout, comparison, shown);
    }
    switch (comparison.likeness) {
        case diff::Likeness::equal:
            return exit_passed;
        case diff::Likeness::different:
            return exit_diverged;
        case diff::Likeness::unknown:
            break;
    }
    return exit_could_not;
}

/// Two recordings, or a lab and what to run it on.
void check_usage(const DiffArguments& arguments) {
    const auto kernels = batch::split_kernels(arguments.kernels).size();
    const bool lab = arguments.recordings.size() == 1;
    if (!arguments.change.empty() && (!lab || kernels > 1)) {
        throw CLI::ValidationError("--change",
                                   "a lab is compared with itself, changed, on one kernel: name "
                                   "one lab, and --kernel once at most");
    }
    if (arguments.change.empty() && kernels != 0 && (!lab || kernels != 2)) {
        throw CLI::ValidationError("--kernel",
                                   "a lab is compared on two kernels: name one lab, and --kernel "
                                   "twice");
    }
    const bool runs = kernels != 0 || !arguments.change.empty();
    if (!runs && arguments.recordings.size() != 2 && !arguments.list_rules) {
        throw CLI::RequiredError("A second recording to compare with");
    }
}

}  // namespace

void add_diff_command(CLI::App& app, Action& chosen) {
    auto* command =
        app.add_subcommand("diff", "Did two kernels do the same with packets and commands?");
    command->footer(
        "Compares the calls that handled corresponding packets: those with the same headers, "
        "apart\n"
        "from numbers that are chosen at random, or else from what they carry. Equal calls are\n"
        "not shown.\n"
        "\n"
        "System calls that handle no packet (socket, bind, ip link set) belong to none. They are\n"
        "compared where the verdict beside each recording says which is which: those that the\n"
        "lab's expectation has a name for.\n"
        "\n"
        "  - gone   + added   > moved   ~ renamed   ? events were lost there\n"
        "\n"
        "A function that one side cannot show (inlined there, not traceable) is listed, and is no\n"
        "difference. What varies from boot to boot is explained by rules with names and reasons:\n"
        "--rules lists them, --full counts them, --strict does without.\n"
        "\n"
        "Examples:\n"
        "  skbtrail diff BEFORE AFTER                      two result directories\n"
        "  skbtrail diff udp --kernel 6.1 --kernel 6.12    one lab on two kernels\n"
        "  skbtrail diff udp --change ./mine.ko            one lab without and with a module\n"
        "  skbtrail diff BEFORE AFTER --packet 2           one packet\n"
        "  skbtrail diff BEFORE AFTER --from ip_rcv_core   its way from there on\n"
        "  skbtrail diff BEFORE AFTER --below start_xmit --ignore 'skb_*'\n"
        "\n"
        "Exit status: 0 equal, 1 different, 2 could not be compared (also: nothing is different,\n"
        "but events were lost).");
    auto arguments = std::make_shared<DiffArguments>();
    auto& compare = arguments->compare;
    command
        ->add_option("recordings", arguments->recordings,
                     "Two recordings, or result directories of runs; with --kernel or --change a "
                     "lab")
        ->type_name("A B")
        ->expected(0, 2);
    command
        ->add_option("-k,--kernel", arguments->kernels,
                     "Run the lab on these two kernels first, and compare what was recorded")
        ->type_name("KERNEL");
    command
        ->add_option("--change", arguments->change,
                     "Run the lab first as it is, and once more with this change (`skbtrail run "
                     "--help` says what it may be), and compare")
        ->type_name("PATH")
        ->check(CLI::ExistingPath);
    command
        ->add_option(
            "-o,--output", arguments->output,
            "With --kernel or --change: directory for the results; by default a new one below "
            "./skbtrail-results")
        ->type_name("DIR");
    add_labs_option(*command, arguments->lab_directories);
    command->add_option("-p,--packet", compare.packet, "Only this packet of A, and its like in B")
        ->type_name("ID");
    command
        ->add_option("--from", compare.focus.from,
                     "Only what a packet does from its first call of this function on")
        ->type_name("FUNCTION");
    command
        ->add_option("--below", compare.focus.below, "Only calls of this function, and below them")
        ->type_name("FUNCTION");
    command
        ->add_option("--ignore", compare.focus.ignore,
                     "Leave out calls of this function (a glob), and below; may be given again")
        ->type_name("FUNCTION")
        ->expected(1)
        ->allow_extra_args(false);
    command->add_flag("--noise", compare.focus.noise,
                      "Compare locks, memory, timers and other noise too");
    command->add_flag("--strict", arguments->strict, "Let no rule explain a difference");
    command->add_flag("--rules", arguments->list_rules, "List the rules, and compare nothing");
    command->add_option("--format", arguments->format, "text or json")
        ->check(CLI::IsMember({"text", "json"}))
        ->type_name("FORMAT")
        ->capture_default_str();
    command->add_flag("-f,--full", arguments->full,
                      "Show also calls that one side cannot show, and what rules explained");
    add_look_options(*command, arguments->look);
    command->callback([arguments, &chosen] {
        check_usage(*arguments);
        chosen = [arguments] { return compare_recordings(*arguments); };
    });
}

}  // namespace skbtrail::labs
