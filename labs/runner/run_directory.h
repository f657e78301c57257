// The run's private directory: libvirt's root, the sockets, all that must not outlive the run.
#pragma once

#include <filesystem>
#include <optional>

#include "device/unique_fd.h"
#include "labs/runner/reaper.h"

namespace skbtrail::labs {

/// Where run directories are made: $TMPDIR when it is short enough for the sockets below it (their
/// paths must fit in 108 bytes), else /tmp.
std::filesystem::path run_directory_base();

/// Ends and removes the runs in `base` whose owner is dead: those directories of this user called
/// skbtrail-* whose lock nobody holds. Returns how many there were. Never throws.
std::size_t sweep_dead_runs(const std::filesystem::path& base) noexcept;

/// A directory skbtrail-XXXXXX of mode 0700, locked by this process for as long as it lives, with a
/// guardian. Made while the process has one thread; its end ends the run's processes and removes
/// everything in it.
class RunDirectory {
  public:
    /// Makes one in `base`. Throws CannotRun when it cannot.
    explicit RunDirectory(const std::filesystem::path& base);
    ~RunDirectory();
    RunDirectory(const RunDirectory&) = delete;
    RunDirectory& operator=(const RunDirectory&) = delete;

    const std::filesystem::path& path() const { return path_; }

  private:
    std::filesystem::path path_;
    device::UniqueFd lock_;
    std::optional<Guardian> guardian_;
};

}  // namespace skbtrail::labs
