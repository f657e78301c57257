// skbtrail: the command line. One file per command; here what they share: help, errors, statuses.
#include <cstdio>
#include <exception>

#include <CLI/CLI.hpp>

#include "labs/command.h"

namespace {

constexpr auto about =
    "skbtrail: watch one packet travel a real Linux kernel.\n"
    "\n"
    "It boots a Debian kernel in a virtual machine whose network card is a program of its own, "
    "sends\n"
    "real packets, and records every function that handles them: from the card's ring to the "
    "socket,\n"
    "and back out. A lab is a small experiment of that kind with what the kernel is expected to "
    "do.";

constexpr auto first_steps =
    "First steps:\n"
    "  skbtrail doctor              is everything there that a run needs?\n"
    "  skbtrail list                which labs are there?\n"
    "  skbtrail run ping-receive    boot, ping, record, judge: about 12 seconds\n"
    "  skbtrail show DIRECTORY      look at the recording: packets, chains, sk_buffs\n"
    "\n"
    "`skbtrail COMMAND --help` explains each command with examples.\n"
    "\n"
    "Exit status: 0 passed; 1 the check ran and found a divergence; 2 could not run or judge;\n"
    "64 wrong usage.";

int run(int argc, char** argv) {
    using namespace skbtrail::labs;
    CLI::App app{about, "skbtrail"};
    app.footer(first_steps);
    app.set_version_flag("--version", "skbtrail " SKBTRAIL_VERSION);
    app.require_subcommand(1);
    app.get_formatter()->column_width(34);
    Action chosen;
    add_run_command(app, chosen);
    add_merge_command(app, chosen);
    add_list_command(app, chosen);
    add_check_command(app, chosen);
    add_bless_command(app, chosen);
    add_diff_command(app, chosen);
    add_show_command(app, chosen);
    add_shell_command(app, chosen);
    add_expect_command(app, chosen);
    add_kernels_command(app, chosen);
    add_doctor_command(app, chosen);
    add_text_commands(app, chosen);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? exit_passed : exit_usage;
    }
    return chosen();
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "skbtrail: %s\n", skbtrail::labs::printable(error.what()).c_str());
        return skbtrail::labs::exit_could_not;
    }
}
