// Which packets of a recording an expected chain is about.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "labs/check/divergence.h"
#include "labs/check/expectation.h"
#include "labs/check/forest.h"

namespace skbtrail::labs {

/// What a selector may ask of a packet beside its headers.
inline constexpr std::array<std::string_view, 10> packet_words = {
    "fate",       "fate.function",    "fate.reason", "edge",      "ring.nic",
    "ring.queue", "ring.descriptors", "ring.length", "ring.kick", "ring.call"};

/// What "ring.kick" and "ring.call" can be.
inline constexpr std::array<std::string_view, 2> notice_kinds = {"made", "suppressed"};

/// The packets of the recording that have the headers of `selector`.
std::set<PacketClass> packets_like(const Evidence& evidence, const PacketSelector& selector);

/// A packet that a selector does not choose, and why.
struct NearPacket {
    chain::PacketId packet = 0;
    /// The words in which it differs → what it has there; nothing: it has no such word.
    std::map<std::string, std::vector<std::string>> other;
};

/// The packet that is in most words as `selector` says, of several the first; nothing where none
/// is in any. For a selector that chooses no packet.
std::optional<NearPacket> nearest_packet(const chain::Recording& recording,
                                         const PacketSelector& selector);

/// `selector` for a sentence: "a packet with icmp.type echo-reply".
std::string headers_text(const PacketSelector& selector);

}  // namespace skbtrail::labs
