// Chains that no packet identifies, by the names that a lab's expectation gives them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tracer/chain/recording.h"

namespace skbtrail::labs::diff {

/// What a verdict says of one expected chain.
struct NamedChain {
    std::string name;                       ///< unique in its expectation
    std::vector<chain::ChainId> found;      ///< those that were as expected, in order
    std::optional<chain::ChainId> nearest;  ///< where none was: the one that came nearest to it
    bool lost = false;  ///< events were lost where it matters: whether it came is not known
};

/// The chains of a verdict (verdict.schema.json), without those that its expectation does not apply
/// to. Names are made printable. Throws chain::FormatError.
std::vector<NamedChain> parse_named_chains(std::string_view verdict);

}  // namespace skbtrail::labs::diff
