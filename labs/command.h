// What every command of skbtrail shares.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "labs/check/verdict.h"
#include "labs/show/options.h"
#include "tracer/chain/recording.h"

namespace CLI {
class App;
}

namespace skbtrail::labs {

/// Exit statuses of skbtrail, part of its interface. "The check ran and found a divergence" and
/// "the check could not run" are different things to a script.
enum ExitStatus : std::uint8_t {
    exit_passed = 0,
    exit_diverged = 1,
    exit_could_not = 2,  ///< could not run, or could not judge
    exit_usage = 64,     ///< EX_USAGE of sysexits.h
};

/// The exit status that says `outcome`.
int exit_status(Outcome outcome);

/// What the command line asked for; returns the exit status. An exception is told by main().
using Action = std::function<int()>;

// Each adds its subcommand to `app`; `chosen` is set when the user gave it.
void add_run_command(CLI::App& app, Action& chosen);
void add_merge_command(CLI::App& app, Action& chosen);
void add_list_command(CLI::App& app, Action& chosen);
void add_check_command(CLI::App& app, Action& chosen);
void add_bless_command(CLI::App& app, Action& chosen);
void add_diff_command(CLI::App& app, Action& chosen);
void add_shell_command(CLI::App& app, Action& chosen);
void add_show_command(CLI::App& app, Action& chosen);
void add_kernels_command(CLI::App& app, Action& chosen);
void add_expect_command(CLI::App& app, Action& chosen);
void add_doctor_command(CLI::App& app, Action& chosen);
/// Its action describes `app`, which has to outlive it.
void add_text_commands(CLI::App& app, Action& chosen);

/// Where a recording is that the user named: the file, or the one in a result directory. Throws
/// CannotRun when there is none.
std::string recording_file(const std::string& named);

/// The recording there, with texts that may be printed (chain/printable.h). Throws CannotRun,
/// chain::FormatError.
chain::Recording named_recording(const std::string& named);

/// The source tree that the user named: a directory, or a kernel in the cache ("6.12") whose source
/// was fetched. Throws CannotRun when there is none.
std::string source_tree(const std::string& named);

/// Adds --labs DIR.
void add_labs_option(CLI::App& command, std::vector<std::string>& directories);

/// Adds --colour and --width for what is printed to standard output.
struct LookOptions {
    std::string colour = "auto";
    unsigned width = 0;  ///< 0: the terminal's
};
void add_look_options(CLI::App& command, LookOptions& look);
ShowOptions show_options(const LookOptions& look);

/// Text that another program or a guest wrote, without what a terminal would act upon.
std::string printable(const std::string& text);

}  // namespace skbtrail::labs
