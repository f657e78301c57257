// Which packet of one recording is which of another.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "labs/diff/rules.h"
#include "labs/diff/view.h"

namespace skbtrail::labs::diff {

/// Packets of A with those of B, in A's order, then those that only B has. Two packets are the same
/// if their headers are, apart from fields that no rule compares, and as many like them came
/// before.
std::vector<std::pair<std::optional<PacketClass>, std::optional<PacketClass>>> corresponding(
    const Views& a, const Views& b, const RuleBook& rules);

}  // namespace skbtrail::labs::diff
