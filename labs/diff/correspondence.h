// Which packet of one recording is which of another.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "labs/diff/rules.h"
#include "labs/diff/view.h"

namespace skbtrail::labs::diff {

struct Correspondence {
    /// Packets of A with those of B, in A's order, then those that only B has.
    std::vector<std::pair<std::optional<PacketClass>, std::optional<PacketClass>>> pairs;
    /// How often each rule (its place in the list) explained that packets carry something else.
    std::map<std::size_t, std::size_t> explained;
};

/// Two packets are the same if their headers are, apart from fields that no rule compares, and as
/// many like them came before. Those that are left over are the same if they differ in nothing but
/// what they carry (Rule::contents).
Correspondence corresponding(const Views& a, const Views& b, const RuleBook& rules);

}  // namespace skbtrail::labs::diff
