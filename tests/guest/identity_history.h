// What a recording says of serial numbers: the packets that carry each, and what became of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string_view>
#include <vector>

#include "tests/guest/identity_frames.h"
#include "tracer/chain/recording.h"

namespace skbtrail::tests {

/// The packets of one serial number, and whether edges make them one history.
struct History {
    std::vector<const chain::Packet*> packets;
    bool connected = false;
};

/// A whole recording, by packet and by serial number.
struct Known {
    std::map<chain::PacketId, const chain::Packet*> packets;
    std::map<std::uint32_t, History> histories;
};

/// The recording has to outlive it. A packet whose payload could not be read says so, and is told
/// by the identification that its IP header has, if the guest sent such a frame in `captured`.
Known known_of(const chain::Recording& recording, const std::vector<CapturedFrame>& captured);

/// The serial number in a packet's headers; 0: it has none.
std::uint32_t serial_of(const chain::Packet& packet);

/// How many of the sk_buffs that held these packets have such a fate.
std::size_t count_fates(const History& history,
                        const std::function<bool(const chain::Fate&)>& wanted);

/// How often the program `traffic` read it from a socket, as the recording has it.
std::size_t count_reads(const History& history, std::uint64_t inode);

/// The packets that have the data of this history in the end.
History last_of(const Known& known, const History& history);

/// One of the packets of `history` has such an edge to one of `other`.
bool has_edge(const History& history, std::string_view kind, const History& other);

}  // namespace skbtrail::tests
