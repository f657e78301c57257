// skbtrail doctor: is everything there that a run needs?
#include <cstdio>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "labs/command.h"
#include "labs/runner/doctor.h"

namespace skbtrail::labs {
namespace {

const char* mark(Finding::State state) {
    switch (state) {
        case Finding::State::good:
            return "ok";
        case Finding::State::notable:
            return "note";
        case Finding::State::bad:
            break;
    }
    return "BAD";
}

int diagnose(const DoctorOptions& options) {
    std::size_t bad = 0;
    const SignalWatch signals;
    examine(options, signals, [&](const Finding& finding) {
        bad += finding.state == Finding::State::bad ? 1 : 0;
        fmt::print("{:<5} {:<17} {}\n", mark(finding.state), finding.subject,
                   printable(finding.text));
        if (!finding.advice.empty()) {
            fmt::print("{:<5} {:<17} → {}\n", "", "", finding.advice);
        }
        std::fflush(stdout);
    });
    if (bad == 0) {
        fmt::print("\nA run has all it needs. Try `skbtrail run ping-receive`.\n");
        return exit_passed;
    }
    fmt::print("\n{} thing(s) to put right before a run can work.\n", bad);
    return exit_could_not;
}

}  // namespace

void add_doctor_command(CLI::App& app, Action& chosen) {
    auto* command = app.add_subcommand("doctor", "Is everything there that a run needs?");
    command->footer(
        "Each line is a thing that was tried, not assumed: QEMU is asked for its version, "
        "libvirt's\n"
        "driver is opened, and KVM has to run a tiny guest. (The answer about KVM is remembered; "
        "runs use it.)\n"
        "Exit status: 0 when a run can work, 2 when not.");
    auto options = std::make_shared<DoctorOptions>();
    command->add_option("--qemu", options->qemu, "The QEMU to look at; by default from PATH")
        ->type_name("PROGRAM")
        ->envname("SKBTRAIL_QEMU");
    command->add_flag("--offline", options->offline, "Do not ask Debian's mirror");
    add_labs_option(*command, options->lab_directories);
    command->callback([options, &chosen] { chosen = [options] { return diagnose(*options); }; });
}

}  // namespace skbtrail::labs
