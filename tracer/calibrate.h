// How the sk_buffs of calls can be told on this kernel: found by trying.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tracer/chain/recording.h"
#include "tracer/filter/packet_filter.h"
#include "tracer/ftrace/saved_state.h"
#include "tracer/ftrace/trace_buffer.h"
#include "tracer/function_table.h"
#include "tracer/identity.h"
#include "tracer/options.h"
#include "tracer/plan.h"

namespace skbtrail::tracer {

/// What a way of telling sk_buffs is set up with. Addresses are 0 where they are not known.
struct Circumstance {
    const Options& options;
    const PacketFilter& filter;
    const std::string& tracefs;
    std::uint64_t page_offset_address = 0;  ///< of the variable page_offset_base
    std::uint64_t vmemmap_address = 0;      ///< of the variable vmemmap_base
    const TraceBuffer& buffer;
    SavedState& saved;
};

/// Finds by trying how sk_buffs can be told on this kernel, and sets the probes. What was found not
/// to work is noted in the plan, so that the next start need not try it again, and in
/// `calibration`; functions that cannot be probed are noted in `functions` and `unavailable`, and
/// in `missing` those of which the kernel should have let us. Throws Failure when no way works, or
/// none can filter as it is asked for.
std::unique_ptr<Identity> make_identity(const Circumstance& here, Plan& plan,
                                        FunctionTable& functions,
                                        std::vector<chain::Unavailable>& unavailable,
                                        std::vector<std::string>& calibration,
                                        std::vector<std::string>& missing);

}  // namespace skbtrail::tracer
