// Which packet of one recording is which of another.
#pragma once

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "labs/diff/rules.h"
#include "labs/diff/view.h"

namespace skbtrail::labs::diff {

/// Packets of A with those of B, in A's order, then those that only B has. Two packets are the same
/// if their headers are, apart from fields that no rule compares, and as many like them came
/// before. Those that are left over are the same if they differ in nothing but what they carry
/// (Rule::contents), and both carry something.
std::vector<std::pair<std::optional<PacketClass>, std::optional<PacketClass>>> corresponding(
    const Views& a, const Views& b, const RuleBook& rules);

/// The rules (their places in the list) by which two packets are the same though they carry
/// something else.
std::vector<std::size_t> content_rules(const chain::Packet& a, const chain::Packet& b,
                                       const RuleBook& rules);

}  // namespace skbtrail::labs::diff
