// skbtrail expect: is an expectation true, and is it sharp?
#include <cstdio>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "guest/cache.h"
#include "labs/check/draft.h"
#include "labs/check/expectation_json.h"
#include "labs/check/sharpness.h"
#include "labs/check/source/release.h"
#include "labs/check/source/verify.h"
#include "labs/command.h"
#include "labs/runner/failure.h"
#include "labs/runner/lab.h"

namespace skbtrail::labs {
namespace {

using source::CallSite;
using source::Edge;

struct VerifyArguments {
    std::vector<std::string> labs;
    std::string tree;
    std::string recording;
    std::vector<std::string> lab_directories;
    bool all = false;
};

/// A lab's name, or the file of an expectation.
std::string expectation_of(const std::string& named, const std::vector<std::string>& directories) {
    if (named.ends_with(".json")) return named;
    return load_lab(find_lab(named, lab_directories(directories))).expectation().string();
}

std::string site_text(const CallSite& site) {
    auto text = fmt::format("{}:{}", site.file, site.line);
    if (!site.through.empty()) text += fmt::format(" through {}", fmt::join(site.through, ", "));
    if (!site.table.empty()) text += fmt::format(" [{}]", site.table);
    return text;
}

void print_edge(const Edge& edge, std::string_view mark) {
    fmt::print("  {} {} → {}\n      {}\n", mark, edge.caller, edge.callee,
               edge.finding == Edge::Finding::found ? site_text(edge.site) : edge.detail);
    if (edge.finding != Edge::Finding::found) fmt::print("      {}\n", edge.place);
}

void print_edges(const source::Verification& verification, bool all) {
    for (const Edge& edge : verification.edges) {
        switch (edge.finding) {
            case Edge::Finding::found:
                if (all) print_edge(edge, "✓");
                break;
            case Edge::Finding::not_claimed:
            case Edge::Finding::other_kernel:
                if (all) print_edge(edge, "–");
                break;
            default:
                print_edge(edge, edge.required ? "✗" : "?");
        }
    }
}

void warn_without_version(const source::SourceTree& tree, const std::string& named) {
    if (!tree.release().empty()) return;
    fmt::print(stderr,
               "skbtrail: warning: no Makefile of {} says which version of Linux it is: conditions "
               "on the version are not applied, and steps for other versions are looked for too\n",
               named);
}

/// Stable releases differ as well: what is true of the one need not be of the other.
void warn_of_other_version(const source::SourceTree& tree, const VerifyArguments& arguments) {
    if (arguments.recording.empty()) return;
    const auto observed = named_recording(arguments.recording).observed;
    if (!source::is_other_version(tree.release(), observed)) return;
    fmt::print(
        stderr,
        "skbtrail: warning: {} is Linux {}, and {} was recorded on {} (Linux {}): a call may "
        "be in the one and not in the other. Take the source of that version.\n",
        arguments.tree, tree.release(), arguments.recording, observed.kernel_release,
        source::upstream_version(observed));
}

int verify_labs(const VerifyArguments& arguments) {
    const auto& tables = source::named_call_tables();
    const source::SourceTree tree(source_tree(arguments.tree), tables.scope);
    warn_without_version(tree, arguments.tree);
    warn_of_other_version(tree, arguments);
    bool failed = false;
    for (const auto& lab : arguments.labs) {
        const auto file = expectation_of(lab, arguments.lab_directories);
        const auto verification = source::verify(load_expectation(file), tree, tables);
        const auto failures = verification.failures();
        failed = failed || !failures.empty();
        const auto found = verification.count(Edge::Finding::found);
        const auto apart = verification.count(Edge::Finding::not_claimed) +
                           verification.count(Edge::Finding::other_kernel);
        fmt::print(
            "{} in Linux {}: {} of {} calls are in the source ({} by name, {} inlined, {} "
            "through tables)\n",
            lab, verification.release.empty() ? "source" : verification.release, found,
            verification.edges.size() - apart, verification.count(CallSite::Kind::direct),
            verification.count(CallSite::Kind::inlined), verification.count(CallSite::Kind::table));
        print_edges(verification, arguments.all);
        if (failures.empty()) {
            fmt::print("  every required call is there\n");
        } else {
            fmt::print("  {} required call(s) not confirmed\n", failures.size());
        }
        std::fflush(stdout);
    }
    return failed ? exit_diverged : exit_passed;
}

void add_verify(CLI::App& expect, Action& chosen) {
    auto* command =
        expect.add_subcommand("verify", "Is each call that a lab expects in the kernel's source?");
    command->footer(
        "Each step below another one claims that A calls B, and \"file\" that B is defined there. "
        "Looked for\n"
        "is B's name in A's body; or in inline functions, macros and functions of A's file that "
        "its body\n"
        "calls; or a call through a pointer that B is put into (net_device_ops, packet_type, "
        "proto, …).\n"
        "Every branch of every #if counts, and in which order calls come is for a recording to "
        "show.\n"
        "\n"
        "  ✗ a required call is not confirmed   ? an optional one or an alternative is not\n"
        "\n"
        "Examples:\n"
        "  skbtrail kernels fetch 6.12 --source\n"
        "  skbtrail expect verify ping-receive --source 6.12\n"
        "  skbtrail expect verify ping-receive --source ~/linux\n"
        "\n"
        "Exit status: 0 all required calls are there, 1 some are not, 2 could not look.");
    auto arguments = std::make_shared<VerifyArguments>();
    command->add_option("lab", arguments->labs, "Labs, or files of expectations (….json)")
        ->required()
        ->type_name("LAB");
    command
        ->add_option("--source", arguments->tree,
                     "The kernel's source, unpacked; or a version (6.12) that `kernels fetch "
                     "--source` got")
        ->required()
        ->type_name("TREE");
    command
        ->add_option("--recording", arguments->recording,
                     "Warn if this recording, or result directory, is of another version of Linux "
                     "than the source")
        ->type_name("RECORDING");
    command->add_flag("-a,--all", arguments->all, "Show also what was found, with file and line");
    add_labs_option(*command, arguments->lab_directories);
    command->callback(
        [arguments, &chosen] { chosen = [arguments] { return verify_labs(*arguments); }; });
}

struct SharpnessArguments {
    std::string lab;
    std::string recording;
    double least = 0.98;
    std::vector<std::string> lab_directories;
};

int print_sharpness(const SharpnessArguments& arguments) {
    const auto recording = named_recording(arguments.recording);
    const auto expectation =
        load_expectation(expectation_of(arguments.lab, arguments.lab_directories));
    Sharpness sharpness;
    try {
        sharpness = measure_sharpness(recording, expectation);
    } catch (const std::invalid_argument& error) {
        throw CannotRun(fmt::format("{}: {}", arguments.recording, error.what()));
    }
    fmt::print("{}: sharpness {:.3f}: {} of {} changes noticed, at {} required calls\n",
               arguments.lab, sharpness.score(), sharpness.tried - sharpness.survivors.size(),
               sharpness.tried, sharpness.required);
    for (const Survivor& survivor : sharpness.survivors) {
        fmt::print("  not noticed: {}, {}, chain {}\n      {}\n", survivor.chain,
                   mutation_name(survivor.mutation), survivor.recorded,
                   fmt::join(survivor.path, " → "));
    }
    return sharpness.score() >= arguments.least ? exit_passed : exit_diverged;
}

void add_sharpness(CLI::App& expect, Action& chosen) {
    auto* command = expect.add_subcommand(
        "sharpness", "Would the expectation notice if the kernel did something else?");
    command->footer(
        "In a recording that passes, every call that a required step stands for is removed, "
        "renamed, moved to\n"
        "another caller and swapped with its neighbour, one change at a time; what is said of "
        "sk_buffs and\n"
        "processors is changed, too. The check has to fail each time.\n"
        "\n"
        "Example:\n"
        "  skbtrail expect sharpness ping-receive skbtrail-results/DIRECTORY\n"
        "\n"
        "Exit status: 0 sharp enough, 1 not, 2 the recording does not pass.");
    auto arguments = std::make_shared<SharpnessArguments>();
    command->add_option("lab", arguments->lab, "A lab, or the file of an expectation (….json)")
        ->required()
        ->type_name("LAB");
    command->add_option("recording", arguments->recording, "A recording, or a result directory")
        ->required()
        ->type_name("RECORDING");
    command->add_option("--least", arguments->least, "The score to reach")
        ->check(CLI::Range(0.0, 1.0))
        ->capture_default_str()
        ->type_name("SCORE");
    add_labs_option(*command, arguments->lab_directories);
    command->callback(
        [arguments, &chosen] { chosen = [arguments] { return print_sharpness(*arguments); }; });
}

struct DraftArguments {
    std::string recording;
    std::vector<chain::ChainId> chains;
    std::string output;
};

/// The path from the file to the schema, where the file is in a folder beside those of the shipped
/// labs; anywhere else there is none that would hold on another machine.
std::string schema_for(const std::string& output) {
    const std::string relative = "../check/expectation.schema.json";
    std::error_code error;
    const auto folder = std::filesystem::absolute(output, error).parent_path();
    return !output.empty() && std::filesystem::exists(folder / relative, error) ? relative : "";
}

int print_draft(const DraftArguments& arguments) {
    const auto recording = named_recording(arguments.recording);
    std::string draft;
    try {
        draft = draft_expectation(recording, arguments.chains, schema_for(arguments.output));
    } catch (const std::invalid_argument& error) {
        throw CannotRun(fmt::format("{}: {}", arguments.recording, error.what()));
    }
    if (arguments.output.empty()) {
        fmt::print("{}", draft);
    } else {
        guest::write_file_atomically(arguments.output, draft);
    }
    return exit_passed;
}

void add_new(CLI::App& expect, Action& chosen) {
    auto* command = expect.add_subcommand("new", "A first draft of an expectation");
    command->footer(
        "What was recorded, in the words of an expectation: the calls on the packet's way, without "
        "noise.\n"
        "It is marked \"draft\": true and passes nothing. Read it against the kernel's source, say "
        "what is\n"
        "optional and what may be inlined, name the files, remove the mark; then `expect verify` "
        "and\n"
        "`expect sharpness` tell how good it is.\n"
        "\n"
        "Example:\n"
        "  skbtrail expect new skbtrail-results/DIRECTORY --chain 5 -o labs/mine/expect.json");
    auto arguments = std::make_shared<DraftArguments>();
    command->add_option("recording", arguments->recording, "A recording, or a result directory")
        ->required()
        ->type_name("RECORDING");
    command
        ->add_option("-c,--chain", arguments->chains,
                     "This chain; may be given again. By default all that handle a packet")
        ->type_name("ID");
    command->add_option("-o,--output", arguments->output, "Write it to this file")
        ->type_name("FILE");
    command->callback(
        [arguments, &chosen] { chosen = [arguments] { return print_draft(*arguments); }; });
}

}  // namespace

void add_expect_command(CLI::App& app, Action& chosen) {
    auto* command = app.add_subcommand(
        "expect", "Write an expectation; is it true to the kernel's source, and sharp?");
    command->require_subcommand(1);
    add_verify(*command, chosen);
    add_sharpness(*command, chosen);
    add_new(*command, chosen);
}

}  // namespace skbtrail::labs
