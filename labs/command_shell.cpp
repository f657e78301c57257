// skbtrail shell: an interactive guest on our NIC.
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <memory>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "labs/command.h"
#include "labs/runner/lab.h"
#include "labs/runner/phases.h"
#include "labs/runner/progress_view.h"
#include "labs/runner/shell.h"
#include "labs/runner/watch.h"

namespace skbtrail::labs {
namespace {

struct ShellArguments {
    std::string lab = "ping-receive";
    ShellOptions shell;
    std::vector<std::string> lab_directories;
    bool quiet = false;
};

int shell(const ShellArguments& arguments) {
    auto lab = load_lab(find_lab(arguments.lab, lab_directories(arguments.lab_directories)));
    ::signal(SIGPIPE, SIG_IGN);
    const SignalWatch signals;
    ProgressView::Style style;
    style.quiet = arguments.quiet;
    style.live = ::isatty(STDERR_FILENO) == 1;
    ProgressView view(stderr, style);
    PhaseLog phases([] { return std::chrono::steady_clock::now(); },
                    [&](const PhaseEvent& event) { view.show(event); });
    run_shell(
        lab, arguments.shell, phases, signals, [&] { view.tick(); },
        [&] {
            view.clear();
            if (arguments.quiet) return;
            fmt::print(stderr,
                       "A guest as the lab {} prepares it. Ctrl-D ends it. The collector:\n"
                       "  skbtrail-collect --plan /plan --output trace.json -- ping -c1 10.0.2.2\n"
                       "{}",
                       lab.name,
                       arguments.shell.exchange.empty()
                           ? "Without --exchange DIR nothing of it is kept.\n"
                           : "What is in /exchange at the end is put back into the directory.\n");
        });
    return exit_passed;
}

}  // namespace

void add_shell_command(CLI::App& app, Action& chosen) {
    auto* command = app.add_subcommand("shell", "An interactive guest, to look around in");
    command->footer(
        "The guest is the lab's: its kernel, its programs, its wire, and prepared as the lab "
        "prepares\n"
        "it; instead of the exercise there is a shell. Ctrl-C goes to the guest, Ctrl-D ends it. "
        "With\n"
        "--exchange the directory's files are in /exchange, and what is there at the end comes "
        "back.\n"
        "\n"
        "Examples:\n"
        "  skbtrail shell\n"
        "  skbtrail shell udp --kernel 6.1 --exchange .\n"
        "  echo 'ip -s link' | skbtrail shell -q");
    auto arguments = std::make_shared<ShellArguments>();
    auto& run = arguments->shell.run;
    command->add_option("lab", arguments->lab, "The lab whose guest it is")
        ->type_name("LAB")
        ->capture_default_str();
    command
        ->add_option("-k,--kernel", run.kernel,
                     "A version, a release, a name, or a path, as for `skbtrail run`")
        ->type_name("KERNEL");
    command
        ->add_option("-x,--exchange", arguments->shell.exchange,
                     "Directory to exchange files with the guest's /exchange")
        ->check(CLI::ExistingDirectory)
        ->type_name("DIR");
    command
        ->add_option("-o,--output", run.output,
                     "Keep the console's log and the frames on the wire in this directory")
        ->type_name("DIR");
    command
        ->add_option("--accelerator", run.accelerator,
                     "auto (KVM if it is proved to work, else emulation), kvm or tcg")
        ->check(CLI::IsMember({"auto", "kvm", "tcg"}))
        ->type_name("WHICH")
        ->capture_default_str();
    command->add_option("--qemu", run.qemu, "The QEMU to run; by default from PATH")
        ->type_name("PROGRAM")
        ->envname("SKBTRAIL_QEMU");
    command->add_flag("-q,--quiet", arguments->quiet, "Show no phases");
    add_labs_option(*command, arguments->lab_directories);
    command->callback([arguments, &chosen] { chosen = [arguments] { return shell(*arguments); }; });
}

}  // namespace skbtrail::labs
