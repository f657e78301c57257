// Which BPF events belong to which calls: the two see the same calls, and only some of them on the
// BPF side.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "tracer/capture.h"
#include "tracer/function_table.h"

namespace skbtrail::tracer {

/// The events of one call: those with the same sequence, `count` of them from `first` in
/// CpuMatch::events.
struct EventGroup {
    FunctionId function = no_function;
    std::uint64_t time = 0;
    std::uint32_t tid = 0;
    std::uint32_t first = 0;
    std::uint32_t count = 0;
};

inline constexpr std::uint32_t no_group = ~std::uint32_t{0};

/// One CPU's calls and events, joined.
struct CpuMatch {
    std::vector<skbtrail_event> events;          ///< in order of time, grouped
    std::vector<EventGroup> groups;              ///< in order of time
    std::vector<std::uint32_t> group_of_record;  ///< per graph record; no_group
    std::vector<std::uint32_t> record_of_group;  ///< per group; no_group: no graph entry
    std::map<FunctionId, std::uint64_t> calls_without_event;  ///< inside the window
    std::uint64_t events_without_call = 0;                    ///< inside the window
    std::uint64_t unknown_functions = 0;  ///< groups of an address that the table lacks
};

/// The time during which both sides were switched on: outside it a partner may be missing.
struct Window {
    std::uint64_t begin = 0;
    std::uint64_t end = ~std::uint64_t{0};

    [[nodiscard]] bool contains(std::uint64_t time) const { return time >= begin && time <= end; }
};

/// Joins one CPU's records and events.
///
/// ftrace calls its users one after the other at a function's entry, so between a call's graph
/// record and its BPF event the same CPU can only have run interrupts, as a whole. Hence: an event
/// belongs to the latest entry of its function that still lacks one, and an entry whose own context
/// goes on without an event has none (the probe was hidden or its event refused). That is exact for
/// any mixture of losses, and no clock needs to be compared beyond the order on one CPU.
///
/// Which of the two comes first depends on the order of attachment and on the kernel; both are
/// tried, and the one that leaves fewer partners missing is taken.
CpuMatch match_cpu(const CpuCapture& capture, const FunctionTable& functions, const Window& window);

}  // namespace skbtrail::tracer
