// Frames a second through a port of testpmd, as its own counters tell, over windows in which the
// machine let the measured processes run.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include <sys/types.h>

#include "tests/bench/cell.h"
#include "tests/dpdk/telemetry.h"

namespace skbtrail::bench {

/// Asks for the counter that is measured: frames so far.
using FrameCount = std::function<std::uint64_t()>;

/// Waits until frames flow, then measures for `conditions.window` in windows of 100 ms. The value
/// is the median rate, in millions a second, of the windows in which each of `processes` spent less
/// than 3 % waiting for a processor; when less than a third of the windows were like that, of all
/// windows, and the sample is `disturbed`. Without any frame within 5 s the sample is missing.
/// In the details: `processor_ns`, the time that the last of `processes` was on a processor, for
/// each frame; what kept it waiting is not in that.
Sample measure_rate(const FrameCount& count, const std::vector<pid_t>& processes,
                    const Conditions& conditions);

}  // namespace skbtrail::bench
