// Why there is nothing that an expected chain could be compared with.
#pragma once

#include <cstddef>
#include <set>

#include "labs/check/divergence.h"
#include "labs/check/expectation.h"
#include "labs/check/forest.h"
#include "labs/check/verdict.h"

namespace skbtrail::labs {

/// No packet is what `expected.packet` says.
Divergence describe_no_packet(const Evidence& evidence, const ExpectedChain& expected);

/// Fewer chains than expected begin so and handle one of the `selected` packets; `matched` do.
Divergence describe_no_chain(const Evidence& evidence, const ExpectedChain& expected,
                             const std::set<PacketClass>& selected, std::size_t matched);

}  // namespace skbtrail::labs
