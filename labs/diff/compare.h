// Comparing two recordings: the trees of corresponding packets, and of chains that have a name.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "labs/diff/comparison.h"
#include "labs/diff/named_chains.h"
#include "labs/diff/rules.h"
#include "labs/diff/view.h"
#include "tracer/chain/recording.h"

namespace skbtrail::labs::diff {

struct CompareOptions {
    Focus focus;
    /// Only the packet with this id in the first recording, and its like.
    std::optional<chain::PacketId> packet;
    /// Chains of A and of B by name: those that handle no packet are compared with their namesakes.
    std::vector<NamedChain> chains_a;
    std::vector<NamedChain> chains_b;
    /// Let rules explain what legitimately varies.
    bool use_rules = true;
};

/// Compares what two kernels did with corresponding packets. `name_a` and `name_b` are how the user
/// named the recordings. Throws std::invalid_argument when there is no such packet, and when both
/// recordings have nothing to compare.
Comparison compare(const chain::Recording& a, const std::string& name_a, const chain::Recording& b,
                   const std::string& name_b, const CompareOptions& options);

}  // namespace skbtrail::labs::diff
