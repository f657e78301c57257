// The time of ring events.
#pragma once

#include <cstdint>

#include <time.h>

namespace skbtrail::device {

/// CLOCK_MONOTONIC, in nanoseconds.
inline std::int64_t monotonic_ns() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace skbtrail::device
