// What was lost, each lost thing counted once: what one side could not tell is missing on the
// other.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "tracer/chain/recording.h"

namespace skbtrail::tracer {

/// Events that came into being and were not kept.
struct RefusedOfFunction {
    std::uint64_t events = 0;
    std::uint64_t calls = 0;  ///< of which no event was kept
};
/// By the address of the function's symbol.
using RefusedEvents = std::map<std::uint64_t, RefusedOfFunction>;

/// What was not told on one CPU.
struct CpuCounts {
    std::uint64_t filtered = 0;         ///< calls whose packet is not wanted
    std::uint64_t lists_truncated = 0;  ///< lists of sk_buffs longer than is told of one
    RefusedEvents refused;              ///< there was no room for them
};

/// Takes out of the counters what another one counts already, and says so in their details:
///  - a call that the kernel hid from the probes (probe_missed, which knows no more) lacks its
///    event in the tree (call_without_event, which knows the CPU and the function)
///  - an entry that the trace buffer had no room for leaves an event without its call, a return
///    without its entry, and a page that is marked
/// Exact as long as each side's losses are what the other side lacks; where both lost the same
/// call, it is in both.
void count_once(std::vector<chain::Loss>& losses);

}  // namespace skbtrail::tracer
