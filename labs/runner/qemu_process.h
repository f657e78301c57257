// The QEMU of a run, as a process.
//
// libvirt makes it a daemon, so that it is nobody's child but init's, and libvirt waits for it to
// vanish when it has ended. An init that reaps late (in containers and small virtual machines,
// seconds late or never) makes every run late. So this process adopts orphans while it runs, and
// reaps QEMU itself.
#pragma once

#include <filesystem>
#include <optional>

#include "device/unique_fd.h"

namespace skbtrail::labs {

/// Makes this process the one that inherits orphans among its descendants. To be called before
/// libvirt starts anything.
void adopt_orphans() noexcept;

class QemuProcess {
  public:
    /// The QEMU of the run in `directory`; none when there is none (any more), or when it is not
    /// this process that it descends from (a libvirt daemon started it).
    static std::optional<QemuProcess> find(const std::filesystem::path& directory);

    /// Readable when it has ended.
    int fd() const { return handle_.get(); }
    /// Lets the ended process go. Does nothing while it runs.
    void reap() noexcept;
    /// Kills it, waits for its end (at most two seconds) and reaps it.
    void kill() noexcept;

  private:
    explicit QemuProcess(device::UniqueFd handle) : handle_(std::move(handle)) {}
    device::UniqueFd handle_;
};

}  // namespace skbtrail::labs
