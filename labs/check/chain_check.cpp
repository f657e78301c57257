#include "labs/check/chain_check.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "labs/check/absence.h"
#include "labs/check/conditions.h"
#include "labs/check/forbidden.h"
#include "labs/check/losses.h"
#include "labs/check/packet_selection.h"
#include "labs/check/program.h"

namespace skbtrail::labs {
namespace {

/// A chain of the recording that could be the expected one, for one packet.
struct Candidate {
    const Tree* tree;
    std::optional<PacketClass> packet;
};

class ChainCheck {
  public:
    ChainCheck(const Evidence& evidence, const ExpectedChain& expected, Bindings& bindings)
        : evidence_(evidence),
          expected_(expected),
          bindings_(bindings),
          losses_(evidence.recording),
          program_(expected, evidence.recording.observed, evidence.names),
          about_packets_(expected.packet.has_value()) {
        result_.name = expected.name;
    }

    ChainVerdict judge() {
        // Whatever comes of this chain, those below may refer to its packet.
        if (!expected_.bind.empty()) bindings_[expected_.bind] = {};
        if (applies() && select_packets()) {
            find_candidates();
            compare_candidates();
            conclude();
        }
        return std::move(result_);
    }

  private:
    ChainVerdict& give_up(Outcome outcome, std::string reason) {
        result_.outcome = outcome;
        result_.reason = std::move(reason);
        return result_;
    }

    bool applies() {
        const ConditionAnswer answer = holds(expected_.when, evidence_.recording.observed);
        if (answer.truth == ConditionAnswer::Truth::no) {
            give_up(Outcome::skipped, answer.reason);
        } else if (answer.truth == ConditionAnswer::Truth::unknown) {
            give_up(Outcome::not_judgeable, answer.reason);
        } else if (!program_.unknown().empty()) {
            give_up(Outcome::not_judgeable, program_.unknown());
        } else {
            return true;
        }
        return false;
    }

    bool select_packets() {
        if (!expected_.packet) return true;
        const PacketSelector& selector = *expected_.packet;
        if (!selector.same_as.empty()) {
            selected_ = bindings_.at(selector.same_as);
            if (selected_.empty()) {
                give_up(Outcome::not_judgeable,
                        fmt::format("it is about the packet \"{}\", and no chain above found one",
                                    selector.same_as));
                return false;
            }
            return true;
        }
        selected_ = packets_like(evidence_, selector);
        if (selected_.empty() && expected_.count.min > 0) {
            missing(describe_no_packet(evidence_, expected_), losses_.anywhere(true));
            return false;
        }
        return true;
    }

    bool is_root(const Tree& tree) const {
        const NameId root = tree.node(0).name;
        return std::any_of(
            expected_.roots.begin(), expected_.roots.end(),
            [&](const std::string& name) { return evidence_.names.id(name) == root; });
    }

    void find_candidates() {
        for (const Tree& tree : evidence_.forest.trees()) {
            if (!is_root(tree) || (expected_.cpu && tree.chain().cpu != *expected_.cpu)) continue;
            if (!expected_.packet) {
                candidates_.push_back({&tree, std::nullopt});
                continue;
            }
            for (const auto& [packet, places] : tree.packets()) {
                if (selected_.contains(packet)) candidates_.push_back({&tree, packet});
            }
        }
    }

    /// The bindings as they are while `candidate` is compared.
    const Bindings& bind(const Candidate& candidate) {
        if (!expected_.bind.empty()) {
            bindings_[expected_.bind] = {};
            if (candidate.packet) bindings_[expected_.bind] = {*candidate.packet};
        }
        return bindings_;
    }

    Weight match(const Candidate& candidate, bool demand_complete) {
        if (program_.calls() == nullptr) return 0;
        Matcher matcher(*candidate.tree, evidence_.names, bindings_, demand_complete);
        return matcher.match_list(*program_.calls(), 0);
    }

    void compare_candidates() {
        std::set<PacketClass> found;
        for (const Candidate& candidate : candidates_) {
            bind(candidate);
            if (match(candidate, false) == no_match) {
                failed_.push_back(candidate);
                continue;
            }
            if (note_forbidden(candidate)) continue;
            matched_.push_back(candidate);
            if (candidate.packet) found.insert(*candidate.packet);
            const std::string doubt = doubt_about(candidate);
            if (doubt.empty()) {
                ++proven_;
            } else if (doubt_.empty()) {
                doubt_ = doubt;
            }
        }
        for (const Candidate& candidate : matched_) {
            result_.chains.push_back(candidate.tree->chain().id);
            if (const auto packet = packet_of(candidate)) result_.packets.push_back(*packet);
        }
        if (!expected_.bind.empty()) bindings_[expected_.bind] = std::move(found);
    }

    /// Why `candidate`, which matches, is no proof; nothing when it is.
    std::string doubt_about(const Candidate& candidate) {
        const Tree& tree = *candidate.tree;
        if (std::string loss = losses_.touching(tree, about_packets_); !loss.empty()) return loss;
        if (tree.incomplete().empty()) return {};
        if (!expected_.forbid.empty()) return incomplete_text(tree, tree.incomplete()[0]);
        if (match(candidate, true) != no_match) return {};
        return incomplete_text(tree, tree.incomplete()[0]);
    }

    static std::string incomplete_text(const Tree& tree, NodeId node) {
        const chain::Call& call = *tree.node(node).call;
        return fmt::format("calls below {} may be missing: {}", call.function, call.incomplete);
    }

    bool note_forbidden(const Candidate& candidate) {
        for (const Forbidden& forbidden : expected_.forbid) {
            const auto answer = holds(forbidden.when, evidence_.recording.observed);
            if (answer.truth == ConditionAnswer::Truth::no) continue;
            const auto calls =
                forbidden_calls(evidence_.names, *candidate.tree, forbidden, bindings_);
            if (calls.empty()) continue;
            if (!forbidden_) {
                forbidden_ =
                    describe_forbidden(*candidate.tree, calls[0], forbidden, packet_of(candidate));
            }
            return true;
        }
        return false;
    }

    /// The packet of the class that the candidate's own calls name first.
    std::optional<chain::PacketId> packet_of(const Candidate& candidate) const {
        if (!candidate.packet) return std::nullopt;
        const NodeId node = candidate.tree->packets().at(*candidate.packet)[0];
        for (const chain::SkbGeometry& skb : candidate.tree->node(node).call->skbs) {
            if (skb.packet && evidence_.forest.class_of(*skb.packet) == *candidate.packet) {
                return skb.packet;
            }
        }
        return std::nullopt;
    }

    void conclude() {
        const CountRange& count = expected_.count;
        if (forbidden_) {
            diverged(*forbidden_);
        } else if (count.max && matched_.size() > *count.max) {
            too_many(*count.max);
        } else if (matched_.size() < count.min) {
            too_few();
        } else if (proven_ < count.min) {
            give_up(Outcome::not_judgeable,
                    fmt::format("it came as expected, as far as was recorded, but {}", doubt_));
        } else if (std::string more = maybe_more(); !more.empty()) {
            give_up(Outcome::not_judgeable, std::move(more));
        } else if (std::string blind = blind_forbid(); !blind.empty()) {
            give_up(Outcome::not_judgeable, std::move(blind));
        }
    }

    /// Where a chain may come so often and not more, one more may have been lost.
    std::string maybe_more() const {
        if (!expected_.count.max) return {};
        const std::string lost = losses_.anywhere(about_packets_);
        if (lost.empty()) return {};
        return fmt::format("it may come at most {} times, and it may have come more often: {}",
                           *expected_.count.max, lost);
    }

    std::string blind_forbid() const {
        for (const Forbidden& forbidden : expected_.forbid) {
            if (auto why = unprovable(evidence_, forbidden); !why.empty()) return why;
        }
        return {};
    }

    void diverged(Divergence divergence) {
        result_.outcome = Outcome::diverged;
        result_.divergence = std::move(divergence);
    }

    /// With losses, something that did not come may have come.
    void missing(Divergence divergence, const std::string& loss) {
        const bool certain = divergence.cause == Cause::cannot_be_seen;
        diverged(std::move(divergence));
        if (!loss.empty() && !certain) give_up(Outcome::not_judgeable, loss);
    }

    void too_many(unsigned most) {
        Divergence divergence;
        divergence.chain = matched_[most].tree->chain().id;
        divergence.packet = packet_of(matched_[most]);
        divergence.expected =
            fmt::format("at most {} chain{} like this", most, most == 1 ? "" : "s");
        divergence.came = fmt::format("{}", matched_.size());
        divergence.cause = Cause::count;
        divergence.explanation = "the path was taken more often than the expectation allows";
        divergence.next = "look for what else sent or received such a packet, or change \"count\"";
        divergence.place = expected_.place;
        diverged(std::move(divergence));
    }

    void too_few() {
        if (failed_.empty()) {
            missing(describe_no_chain(evidence_, expected_, selected_, matched_.size()),
                    losses_.anywhere(about_packets_));
        } else {
            explain_best();
        }
    }

    /// How many calls of the tree come before the place where it is left. Of two candidates that
    /// did as much of what was expected, the one that got further is the one that was meant.
    static NodeId agreed(const Tree& tree, const Miss& miss) {
        if (miss.wrong) return *miss.wrong;
        return miss.position < miss.children.size() ? miss.children[miss.position]
                                                    : tree.node(miss.parent).end;
    }

    /// Only where some candidate failed.
    void explain_best() {
        Miss best;
        const Candidate* best_candidate = &failed_.front();
        best.weight = no_match;
        NodeId longest = 0;
        for (const Candidate& candidate : failed_) {
            bind(candidate);
            Matcher matcher(*candidate.tree, evidence_.names, bindings_, false);
            Miss miss = matcher.explain(*program_.calls(), 0);
            const NodeId length = agreed(*candidate.tree, miss);
            if (std::tie(miss.weight, length) <= std::tie(best.weight, longest)) continue;
            best = std::move(miss);
            longest = length;
            best_candidate = &candidate;
        }
        const Tree& tree = *best_candidate->tree;
        std::string loss = losses_.touching(tree, about_packets_);
        if (loss.empty()) loss = incomplete_above(tree, best.parent);
        Divergence divergence =
            describe_miss(evidence_, tree, best, packet_of(*best_candidate), loss);
        if (divergence.place.empty()) divergence.place = expected_.place;
        if (!matched_.empty()) {
            divergence.explanation +=
                fmt::format("; {} of {} chains are as expected", matched_.size(),
                            matched_.size() + failed_.size());
        }
        missing(std::move(divergence), loss);
        restore_binding();
    }

    /// After the failed candidates were bound once more, the binding is what was found.
    void restore_binding() {
        if (expected_.bind.empty()) return;
        std::set<PacketClass> found;
        for (const Candidate& candidate : matched_) {
            if (candidate.packet) found.insert(*candidate.packet);
        }
        bindings_[expected_.bind] = std::move(found);
    }

    static std::string incomplete_above(const Tree& tree, NodeId node) {
        while (true) {
            if (!tree.node(node).call->incomplete.empty()) return incomplete_text(tree, node);
            if (node == 0) return {};
            node = tree.node(node).parent;
        }
    }

    const Evidence& evidence_;
    const ExpectedChain& expected_;
    Bindings& bindings_;
    Losses losses_;
    Program program_;
    bool about_packets_;
    std::set<PacketClass> selected_;
    std::vector<Candidate> candidates_;
    std::vector<Candidate> matched_;
    std::vector<Candidate> failed_;
    std::optional<Divergence> forbidden_;
    std::size_t proven_ = 0;
    std::string doubt_;
    ChainVerdict result_;
};

}  // namespace

ChainVerdict check_chain(const Evidence& evidence, const ExpectedChain& expected,
                         Bindings& bindings) {
    return ChainCheck(evidence, expected, bindings).judge();
}

}  // namespace skbtrail::labs
