// Which packets of a recording an expected chain is about.
#pragma once

#include <set>
#include <string>

#include "labs/check/divergence.h"
#include "labs/check/expectation.h"
#include "labs/check/forest.h"

namespace skbtrail::labs {

/// The packets of the recording that have the headers of `selector`.
std::set<PacketClass> packets_like(const Evidence& evidence, const PacketSelector& selector);

/// `selector` for a sentence: "a packet with icmp.type echo-reply".
std::string headers_text(const PacketSelector& selector);

}  // namespace skbtrail::labs
