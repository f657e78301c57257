// Two packets' trees side by side: which calls are the same, and what became of the others.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "labs/diff/comparison.h"
#include "labs/diff/rules.h"
#include "labs/diff/view.h"

namespace skbtrail::labs::diff {

/// A call that is not the same on both sides, as long as the trees live.
struct Mismatch {
    Change change = Change::gone;
    Side blind = Side::b;
    const ViewCall* a = nullptr;
    const ViewCall* b = nullptr;
    std::vector<NameId> path;  ///< callers, in the recording that has the call (A's, of two)
    std::vector<NameId> to;    ///< moved: callers in B
};

class Aligner {
  public:
    /// Told of every two calls that are the same one on both sides.
    using OnPair = std::function<void(const ViewCall&, const ViewCall&)>;

    /// `on_pair` may be empty.
    Aligner(const Views& a, const Views& b, RuleBook& rules, const NameTable& names,
            OnPair on_pair = {});

    /// Compares the trees of one packet. Trees with the same root are compared in order.
    std::vector<Mismatch> compare(const std::vector<ViewCall>& a, const std::vector<ViewCall>& b);

    /// How often each rule has explained something so far.
    const std::map<std::size_t, std::size_t>& explained() const { return explained_; }

    /// Chains, of A and of B, of which trees were compared with each other.
    const std::set<std::pair<chain::ChainId, chain::ChainId>>& together() const {
        return together_;
    }

  private:
    using Calls = std::vector<const ViewCall*>;

    /// The calls of one pair of callers that are being aligned.
    struct Level {
        bool incomplete_a = false;
        bool incomplete_b = false;
        std::set<NameId> names;          ///< of calls that found their like
        std::set<const ViewCall*> same;  ///< those
        Calls left_a;
        Calls left_b;
        std::vector<std::pair<const ViewCall*, Side>> opened;  ///< calls that one side cannot show
    };

    void descend(const ViewCall& a, const ViewCall& b);
    void align(const Calls& a, const Calls& b, Level& level);
    void align_middle(std::span<const ViewCall* const> a, std::span<const ViewCall* const> b,
                      Level& level);
    void pair(const ViewCall& a, const ViewCall& b, Level& level);
    void tell_below(const ViewCall& a, const ViewCall& b) const;
    void gap(Calls a, Calls b, Level& level);
    void take_renamed(Calls& a, Calls& b, Level& level);
    bool renamed(const ViewCall& a, const ViewCall& b, bool alone) const;
    bool open(Calls& calls, Side side, Level& level);
    void settle(Level& level);
    void settle_opened(const ViewCall& call, Side side, Level& level);
    void settle_call(const ViewCall& call, Side side, const Level& level);
    void find_moved();

    const Views& a_;
    const Views& b_;
    RuleBook& rules_;
    const NameTable& names_;
    OnPair on_pair_;
    bool same_kernel_;
    bool lossy_a_;
    bool lossy_b_;
    std::vector<NameId> callers_a_;
    std::vector<NameId> callers_b_;
    std::vector<Mismatch> found_;
    std::map<std::size_t, std::size_t> explained_;
    std::set<std::pair<chain::ChainId, chain::ChainId>> together_;
};

}  // namespace skbtrail::labs::diff
