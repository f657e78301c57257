// How long a process ran, and how long it wanted to run and could not: whether a measurement was
// disturbed by others on the machine.
#pragma once

#include <chrono>

#include <sys/types.h>

namespace skbtrail::dpdk {

/// Sums over the threads that a process has now.
struct RunTimes {
    std::chrono::nanoseconds running{0};  ///< on a processor
    std::chrono::nanoseconds waiting{0};  ///< ready to run, while others ran
};

/// From /proc/PID/task/*/schedstat. All zero when the process has ended.
RunTimes run_times_of(pid_t process);

}  // namespace skbtrail::dpdk
