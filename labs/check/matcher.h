// Comparing one chain with what is expected of it.
//
// A list of steps is matched against the calls of one function like a regular expression against a
// text: a front of positions (front.h) moves through the steps, so that every way in which optional
// steps, choices, repetitions and "..." can be read is followed at once, and nothing is tried
// twice. Whether one call is as one step says does not depend on how it was reached; it is worked
// out once. The work is therefore about steps × calls, also where an expectation is ambiguous.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "labs/check/forest.h"
#include "labs/check/front.h"
#include "labs/check/program.h"

namespace skbtrail::labs {

/// Name of a binding → the packets that it stands for.
using Bindings = std::map<std::string, std::set<PacketClass>>;

/// Weight of a call that is as a step says; a call of the right name that is not counts 1. Only
/// for telling better candidates from worse.
inline constexpr Weight call_weight = 2;

/// Where a comparison failed that came as far as any.
struct Miss {
    Weight weight = 0;
    NodeId parent = 0;                     ///< in the list of this function's calls
    const PatternList* list = nullptr;     ///< which was expected to be like this
    std::vector<NodeId> children;          ///< its calls, without noise
    std::size_t position = 0;              ///< the first of them that is not as expected
    std::vector<const Pattern*> expected;  ///< what could have come there
    bool end_expected = false;             ///< nothing more could have come, too
    bool wrong_packet = false;             ///< the function was as expected, the packet was not
    bool wrong_skb = false;                ///< both were, but not where its sk_buff stood
    bool wrong_poll = false;               ///< all that was, but not the poll's budget or work
    /// Of these three: the call. Below "somewhere" it may be none of `children`.
    std::optional<NodeId> wrong = {};
};

struct Attempt;

/// Compares calls of one tree with patterns.
class Matcher {
  public:
    /// With `demand_complete` a call of which something may be missing below is never as a closed
    /// list says.
    Matcher(const Tree& tree, const NameTable& names, const Bindings& bindings,
            bool demand_complete);

    /// Whether the calls of `parent` are as `list` says, and how much of it that is; no_match if
    /// they are not.
    Weight match_list(const PatternList& list, NodeId parent);

    /// Where the calls of `parent` leave `list`. Only for a list that does not match.
    Miss explain(const PatternList& list, NodeId parent);

    /// Whether `node` itself is as a call or a choice of single calls says.
    Weight match_one(const Pattern& pattern, NodeId node);

    const Tree& tree() const { return tree_; }
    /// The nodes of the whole tree that are as `pattern` (a call, a choice of calls) says.
    const std::vector<NodeId>& all_matches(const Pattern& pattern);
    /// The calls of `parent` without noise; what `list` names is never noise.
    std::vector<NodeId> children_to_compare(const PatternList& list, NodeId parent) const;

  private:
    void add_children(const PatternList& list, NodeId parent, std::vector<NodeId>& children) const;
    bool packet_agrees(const Pattern& pattern, NodeId node) const;
    bool skb_agrees(const Pattern& pattern, NodeId node) const;
    bool poll_agrees(const Pattern& pattern, NodeId node) const;
    bool itself_agrees(const Pattern& pattern, NodeId node) const;
    bool same_function(const Attempt& attempt) const;
    Weight match_call(const Pattern& pattern, NodeId node);

    const Tree& tree_;
    const NameTable& names_;
    const Bindings& bindings_;
    bool demand_complete_;
    std::unordered_map<std::uint64_t, Weight> known_;             ///< pattern, node → weight
    std::unordered_map<std::uint64_t, Miss> explained_;           ///< pattern, node → miss
    std::unordered_map<std::uint32_t, std::vector<NodeId>> all_;  ///< pattern → nodes
};

}  // namespace skbtrail::labs
