// Which of a recording's packets are one packet to a reader.
#pragma once

#include <cstdint>
#include <map>

#include "tracer/chain/recording.h"

namespace skbtrail::labs {

/// A packet, whichever of its heads it lives in: `expand_head` and `clone` keep the identity.
using PacketClass = std::uint32_t;

/// Packet → the smallest id of its class.
std::map<chain::PacketId, PacketClass> packet_classes(const chain::Recording& recording);

}  // namespace skbtrail::labs
