// Which packets of a recording an expected chain is about.
#pragma once

#include <array>
#include <set>
#include <string>
#include <string_view>

#include "labs/check/divergence.h"
#include "labs/check/expectation.h"
#include "labs/check/forest.h"

namespace skbtrail::labs {

/// What a selector may ask of a packet beside its headers.
inline constexpr std::array<std::string_view, 7> packet_words = {
    "fate",       "fate.function",    "fate.reason", "edge",
    "ring.queue", "ring.descriptors", "ring.length"};

/// The packets of the recording that have the headers of `selector`.
std::set<PacketClass> packets_like(const Evidence& evidence, const PacketSelector& selector);

/// `selector` for a sentence: "a packet with icmp.type echo-reply".
std::string headers_text(const PacketSelector& selector);

}  // namespace skbtrail::labs
