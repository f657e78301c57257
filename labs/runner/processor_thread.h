// The thread of a QEMU that runs the guest's processors, seen from outside: whether the guest is
// idle.
//
// With an instruction clock QEMU runs all processors of a guest in one thread, which sleeps when
// every one of them has halted. /proc tells both that it sleeps and how often it has done so;
// asking QEMU itself would take its big lock, and disturb what is to be left alone.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>

#include <sys/types.h>

namespace skbtrail::labs {

/// The thread at one moment.
struct Sleep {
    bool asleep = false;
    std::uint64_t times = 0;  ///< how often it has gone to sleep so far
    bool operator==(const Sleep&) const = default;
};

/// Reads the text of /proc/PID/task/TID/status; nothing when it is not that.
std::optional<Sleep> parse_sleep(std::string_view status);

class ProcessorThread {
  public:
    /// Of the QEMU of the run in `directory`, which runs already. Throws CannotRun when there is no
    /// such thread: not this user's QEMU, or not with an instruction clock.
    explicit ProcessorThread(const std::filesystem::path& directory);

    /// Nothing when it has ended.
    std::optional<Sleep> look() const;

  private:
    std::filesystem::path status_;
};

}  // namespace skbtrail::labs
