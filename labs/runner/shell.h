// An interactive guest: a lab's machine, prepared as the lab does it, with a shell instead of its
// exercise, on a console of its own. What the shell leaves in /exchange comes back.
#pragma once

#include <filesystem>
#include <functional>

#include "labs/runner/lab.h"
#include "labs/runner/phases.h"
#include "labs/runner/run_options.h"
#include "labs/runner/watch.h"

namespace skbtrail::labs {

struct ShellOptions {
    RunOptions run;
    /// Its files are in the guest's /exchange, and those there at the end are put back here; empty:
    /// there is none.
    std::filesystem::path exchange;
};

/// Boots the guest, connects its shell with standard input and output, and ends with it. Must be
/// called while the process has one thread. `tick` is called about ten times a second. `begins` is
/// called when the shell takes over the terminal. Throws RunFailed's causes as CannotRun and
/// Interrupted; by then nothing of the guest is left.
void run_shell(const Lab& lab, const ShellOptions& options, PhaseLog& phases,
               const SignalWatch& signals, const std::function<void()>& tick,
               const std::function<void()>& begins);

}  // namespace skbtrail::labs
