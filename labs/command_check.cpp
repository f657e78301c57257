// skbtrail check: is a recording what was expected?
#include <filesystem>
#include <iostream>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "guest/cache.h"
#include "labs/check/check.h"
#include "labs/check/expectation_json.h"
#include "labs/command.h"
#include "labs/runner/failure.h"
#include "labs/runner/lab.h"
#include "labs/show/show.h"

namespace skbtrail::labs {
namespace {

struct CheckArguments {
    std::string recording;
    std::string lab;
    std::string expectation;
    std::string output;
    std::vector<std::string> lab_directories;
    bool json = false;
    LookOptions look;
};

/// The expectation to judge by: the file that was named, else that of the lab that was named, else
/// that of the lab that the recording is of.
std::string expectation_file(const CheckArguments& arguments, const chain::Recording& recording) {
    if (!arguments.expectation.empty()) {
        return arguments.expectation;
    }
    auto lab = arguments.lab;
    if (lab.empty()) {
        const auto& host = recording.observed.host;
        const auto named = host.find("lab");
        if (named == host.end()) {
            throw CannotRun(fmt::format(
                "{} does not say which lab it is of: name the lab with --lab, or an expectation "
                "with --expect.",
                arguments.recording));
        }
        lab = named->second;
    }
    return load_lab(find_lab(lab, lab_directories(arguments.lab_directories)))
        .expectation()
        .string();
}

int check_recording(const CheckArguments& arguments) {
    const auto recording = named_recording(arguments.recording);
    const auto expectation = load_expectation(expectation_file(arguments, recording));
    const auto verdict = check(recording, expectation);
    if (!arguments.output.empty()) {
        guest::write_file_atomically(arguments.output, to_json(verdict));
    }
    if (arguments.json) {
        std::cout << to_json(verdict);
    } else {
        show_verdict(std::cout, verdict, show_options(arguments.look));
    }
    return exit_status(verdict.outcome);
}

}  // namespace

void add_check_command(CLI::App& app, Action& chosen) {
    auto* command = app.add_subcommand("check", "Judge a recording by an expectation");
    command->footer(
        "Needs neither QEMU nor the kernel: a recording is complete by itself.\n"
        "\n"
        "Examples:\n"
        "  skbtrail check skbtrail-results/DIRECTORY            by its lab's expectation\n"
        "  skbtrail check recording.json --expect mine.json     by your own\n"
        "  skbtrail check recording.json --json                 for another program\n"
        "\n"
        "Exit status: 0 passed, 1 diverged, 2 could not be judged (also: events were lost where\n"
        "it matters).");
    auto arguments = std::make_shared<CheckArguments>();
    command
        ->add_option("recording", arguments->recording, "A recording, or a run's result directory")
        ->required()
        ->type_name("RECORDING");
    auto* lab = command->add_option("--lab", arguments->lab,
                                    "Judge by this lab; by default the one it was recorded by");
    lab->type_name("LAB");
    command->add_option("--expect", arguments->expectation, "Judge by this expectation")
        ->type_name("FILE")
        ->excludes(lab);
    add_labs_option(*command, arguments->lab_directories);
    command->add_flag("--json", arguments->json, "Print the verdict as JSON");
    command
        ->add_option("-o,--output", arguments->output, "Write the verdict as JSON to this file too")
        ->type_name("FILE");
    add_look_options(*command, arguments->look);
    command->callback(
        [arguments, &chosen] { chosen = [arguments] { return check_recording(*arguments); }; });
}

}  // namespace skbtrail::labs
