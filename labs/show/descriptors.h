// The NIC's side of a packet: which descriptors carried it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tracer/chain/recording.h"

namespace skbtrail::labs {

enum class RingDirection : std::uint8_t { receive, transmit };

/// A line for each ring event of that direction that is joined to `packet`: "queue 1 available #5:
/// descriptor 3, 110 bytes at 0x4003012".
std::vector<std::string> descriptor_lines(const chain::Recording& recording, chain::PacketId packet,
                                          RingDirection direction);

}  // namespace skbtrail::labs
