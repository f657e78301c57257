// Chains and packets as text, for a person who watches.
#pragma once

#include <string>

#include "tracer/chain/recording.h"

namespace skbtrail::tracer {

/// A chain: a line that says where and when, and one for each call, indented, with its duration and
/// the packets that it was given.
std::string text_of(const chain::Chain& chain);

/// A packet's line: what it is, how it came to be, and what became of it.
std::string text_of(const chain::Packet& packet);

/// What was not seen; empty when everything was.
std::string text_of(const std::vector<chain::Loss>& losses);

}  // namespace skbtrail::tracer
