// What of a recording belongs to wanted packets.
#pragma once

#include <map>
#include <vector>

#include "tracer/capture.h"
#include "tracer/chain/recording.h"
#include "tracer/filter/packet_filter.h"
#include "tracer/function_table.h"
#include "tracer/merge.h"
#include "tracer/packets.h"

namespace skbtrail::tracer {

/// Tells of each packet (by its id minus 1) whether it is wanted. `marked`: a program in the kernel
/// judged and marked the events; else they are judged here, by their fields.
///
/// What was made of a wanted packet (a copy, a segment, a larger head), and what one was merged
/// into, is wanted too.
std::vector<bool> wanted_packets(const Capture& capture,
                                 const std::map<unsigned, CpuMatch>& matches,
                                 const Packets& packets, const PacketFilter& filter, bool marked);

/// Removes the packets that are not wanted and numbers the others anew; the calls that were given
/// none but such packets, unless a wanted one is below them; and chains without a wanted packet.
void keep_wanted(const std::vector<bool>& wanted, const FunctionTable& functions,
                 std::vector<chain::Packet>& packets, std::vector<chain::Chain>& chains);

}  // namespace skbtrail::tracer
