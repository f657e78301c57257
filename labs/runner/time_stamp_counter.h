// How fast the processor's time stamp counter runs.
#pragma once

#include <cstdint>
#include <optional>

namespace skbtrail::labs {

/// The counter's frequency in kHz, measured against CLOCK_MONOTONIC for some milliseconds: right to
/// a few parts in a million also on a busy machine. Nothing where there is no such counter.
std::optional<std::uint64_t> measure_time_stamp_counter();

}  // namespace skbtrail::labs
