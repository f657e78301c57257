// Chains that no packet identifies, by the names that a lab's expectation gives them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tracer/chain/recording.h"

namespace skbtrail::labs::diff {

/// What a verdict says of one expected chain.
struct NamedChain {
    std::string name;  ///< unique in its expectation
    /// Those that were as expected, in order, or the one that came nearest to it.
    std::vector<chain::ChainId> chains;
};

/// The chains that a verdict (verdict.schema.json) found, or missed: in that case with none. What
/// the expectation does not apply to, or what could not be judged, is left out. Throws
/// chain::FormatError.
std::vector<NamedChain> parse_named_chains(std::string_view verdict);

}  // namespace skbtrail::labs::diff
