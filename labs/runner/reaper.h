// Nothing is left behind: not when a run ends, fails or is interrupted, and not when skbtrail
// itself is killed and cannot clean up.
//
// Three nets, each for what falls through the one before:
//   - the owners' destructors, on every orderly way out;
//   - the guardian, a tiny process of its own session that waits for the end of a pipe: if skbtrail
//     dies without a word, it kills the run's processes and removes its directory;
//   - the sweep at the next start, for a machine that lost its power or a guardian that was killed
//     too (run_directory.h).
//
// A process belongs to a run if its program is QEMU or our NIC and its command line names a path
// below the run's directory, whose name is unique. A recorded process id alone is never trusted: it
// may be another process's by now.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include <sys/types.h>

#include "device/unique_fd.h"

namespace skbtrail::labs {

/// Which of a run's processes.
enum class RunProcesses : std::uint8_t { all, qemu };

/// Processes of this user that belong to the run in `directory`.
std::vector<pid_t> processes_of_run(const std::filesystem::path& directory,
                                    RunProcesses which = RunProcesses::all);

/// Kills the processes of the run in `directory` and waits, at most two seconds, for their end.
/// Never throws. Returns how many there were.
std::size_t end_processes_of_run(const std::filesystem::path& directory,
                                 RunProcesses which = RunProcesses::all) noexcept;

/// Ends the run's processes and removes its directory. Never throws.
void remove_run(const std::filesystem::path& directory) noexcept;

/// The process that cleans up if this one dies without doing so. Made before any thread is.
class Guardian {
  public:
    /// Forks the guardian of `directory`; `lock` is the descriptor that marks the directory as
    /// owned, which the guardian keeps until it is done. Throws CannotRun when it cannot fork.
    Guardian(const std::filesystem::path& directory, int lock);
    /// Dismisses the guardian: the caller has cleaned up, or is about to do so.
    ~Guardian();
    Guardian(const Guardian&) = delete;
    Guardian& operator=(const Guardian&) = delete;

  private:
    device::UniqueFd pipe_;
    pid_t process_ = -1;
};

}  // namespace skbtrail::labs
