#include "labs/check/chain_check.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fnmatch.h>

#include "labs/check/conditions.h"
#include "labs/check/program.h"
#include "tracer/chain/names.h"
#include "tracer/chain/suggest.h"

namespace skbtrail::labs {
namespace {

bool selects(const PacketSelector& selector, const chain::Packet& packet) {
    return std::all_of(selector.headers.begin(), selector.headers.end(), [&](const auto& wanted) {
        const auto header = packet.headers.find(wanted.first);
        return header != packet.headers.end() &&
               std::any_of(wanted.second.begin(), wanted.second.end(), [&](const auto& glob) {
                   return fnmatch(glob.c_str(), header->second.c_str(), 0) == 0;
               });
    });
}

std::string headers_text(const PacketSelector& selector) {
    std::vector<std::string> parts;
    for (const auto& [header, values] : selector.headers) {
        parts.push_back(fmt::format("{} {}", header, fmt::join(values, " or ")));
    }
    return fmt::format("a packet with {}", fmt::join(parts, ", "));
}

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
            no_packet(selector);
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
            if (!is_root(tree)) continue;
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
        if (count.max && matched_.size() > *count.max) {
            too_many();
        } else if (matched_.size() < count.min) {
            too_few();
        } else if (proven_ < count.min) {
            give_up(Outcome::not_judgeable,
                    fmt::format("it came as expected, as far as was recorded, but {}", doubt_));
        } else if (std::string lost = count.max ? losses_.anywhere(about_packets_) : "";
                   !lost.empty()) {
            give_up(Outcome::not_judgeable,
                    fmt::format("it may come at most {} times, and it may have come more often: {}",
                                *count.max, lost));
        } else if (std::string blind = blind_forbid(); !blind.empty()) {
            give_up(Outcome::not_judgeable, std::move(blind));
        }
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
        diverged(std::move(divergence));
        const bool certain = result_.divergence->cause == Cause::cannot_be_seen;
        if (!loss.empty() && !certain) give_up(Outcome::not_judgeable, loss);
    }

    void too_many() {
        Divergence divergence;
        divergence.chain = matched_[*expected_.count.max].tree->chain().id;
        divergence.packet = packet_of(matched_[*expected_.count.max]);
        divergence.expected = fmt::format("at most {} chains like this", *expected_.count.max);
        divergence.came = fmt::format("{}", matched_.size());
        divergence.cause = Cause::count;
        divergence.explanation = "the path was taken more often than the expectation allows";
        divergence.next = "look for what else sent or received such a packet, or change \"count\"";
        divergence.place = expected_.place;
        diverged(std::move(divergence));
    }

    void too_few() {
        if (forbidden_) {
            diverged(*forbidden_);
        } else if (failed_.empty()) {
            no_chain();
        } else {
            explain_best();
        }
    }

    void explain_best() {
        std::optional<Miss> best;
        const Candidate* best_candidate = nullptr;
        for (const Candidate& candidate : failed_) {
            bind(candidate);
            Matcher matcher(*candidate.tree, evidence_.names, bindings_, false);
            Miss miss = matcher.explain(*program_.calls(), 0);
            if (best && miss.weight <= best->weight) continue;
            best = std::move(miss);
            best_candidate = &candidate;
        }
        const Tree& tree = *best_candidate->tree;
        std::string loss = losses_.touching(tree, about_packets_);
        if (loss.empty()) loss = incomplete_above(tree, best->parent);
        Divergence divergence =
            describe_miss(evidence_, tree, *best, packet_of(*best_candidate), loss);
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

    void no_packet(const PacketSelector& selector) {
        Divergence divergence;
        divergence.expected = headers_text(selector);
        divergence.came = fmt::format("none among {} packets", evidence_.recording.packets.size());
        divergence.cause = Cause::no_packet;
        divergence.explanation = no_packet_reason(selector);
        divergence.next = "list what was recorded: skbtrail show RECORDING";
        divergence.place = expected_.place;
        missing(std::move(divergence), losses_.anywhere(true));
    }

    /// A header that no packet has is probably misspelt, else the exercise sent something else.
    std::string no_packet_reason(const PacketSelector& selector) const {
        std::set<std::string_view> known;
        for (const chain::Packet& packet : evidence_.recording.packets) {
            for (const auto& [header, value] : packet.headers) known.insert(header);
        }
        const std::vector<std::string_view> names(known.begin(), known.end());
        for (const auto& [header, values] : selector.headers) {
            if (!known.contains(header)) {
                return fmt::format("no recorded packet has a header \"{}\"{}", header,
                                   chain::did_you_mean(header, names));
            }
        }
        return "no such packet was sent or received, or it was seen by no function that takes an "
               "sk_buff";
    }

    void no_chain() {
        const std::string roots = fmt::format("{}", fmt::join(expected_.roots, " or "));
        const std::string with = expected_.packet ? " that handles the packet" : "";
        Divergence divergence;
        divergence.expected = fmt::format("a chain from {}{}", roots, with);
        divergence.came = matched_.empty() ? "none"
                                           : fmt::format("{}, fewer than {}", matched_.size(),
                                                         expected_.count.min);
        divergence.cause = Cause::no_chain;
        divergence.explanation = no_chain_reason(roots, divergence);
        divergence.next = "list what was recorded: skbtrail show RECORDING";
        divergence.place = expected_.place;
        missing(std::move(divergence), losses_.anywhere(about_packets_));
    }

    std::string no_chain_reason(const std::string& roots, Divergence& divergence) const {
        std::set<std::string> others;
        std::size_t same_root = 0;
        for (const Tree& tree : evidence_.forest.trees()) {
            if (is_root(tree)) ++same_root;
            const bool handles =
                std::any_of(selected_.begin(), selected_.end(),
                            [&](PacketClass packet) { return tree.packets().contains(packet); });
            if (handles && !is_root(tree)) others.insert(tree.chain().root.function);
        }
        if (!others.empty()) {
            return fmt::format("the packet was handled in chains from {} only",
                               fmt::join(others, ", "));
        }
        if (same_root > 0 && matched_.empty()) {
            return fmt::format("{} chain{} from {} came, but none was given such a packet",
                               same_root, same_root == 1 ? "" : "s", roots);
        }
        if (same_root > 0) return "the exercise made it happen less often than expected";
        for (const std::string& root : expected_.roots) {
            const auto why = evidence_.visibility.why_invisible(evidence_.names.id(root));
            if (!why) return fmt::format("nothing called {} while the recording ran", roots);
            divergence.cause = Cause::cannot_be_seen;
        }
        return *evidence_.visibility.why_invisible(evidence_.names.id(expected_.roots[0]));
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

std::set<PacketClass> packets_like(const Evidence& evidence, const PacketSelector& selector) {
    std::set<PacketClass> selected;
    for (const chain::Packet& packet : evidence.recording.packets) {
        if (selects(selector, packet)) selected.insert(evidence.forest.class_of(packet.id));
    }
    return selected;
}

ChainVerdict check_chain(const Evidence& evidence, const ExpectedChain& expected,
                         Bindings& bindings) {
    return ChainCheck(evidence, expected, bindings).judge();
}

std::vector<NodeId> forbidden_calls(const NameTable& names, const Tree& tree,
                                    const Forbidden& forbidden, const Bindings& bindings) {
    std::vector<NodeId> calls;
    const auto bound = bindings.find(forbidden.packet);
    for (NodeId node = 0; node < tree.nodes().size(); ++node) {
        const std::string recorded(chain::base_name(tree.node(node).call->function));
        const std::string& name = names.text(tree.node(node).name);
        if (fnmatch(forbidden.pattern.c_str(), name.c_str(), 0) != 0 &&
            fnmatch(forbidden.pattern.c_str(), recorded.c_str(), 0) != 0) {
            continue;
        }
        const bool any = forbidden.packet.empty();
        if (any || (bound != bindings.end() &&
                    std::any_of(bound->second.begin(), bound->second.end(),
                                [&](PacketClass packet) { return tree.takes(node, packet); }))) {
            calls.push_back(node);
        }
    }
    return calls;
}

std::string unprovable(const Evidence& evidence, const Forbidden& forbidden) {
    const ConditionAnswer answer = holds(forbidden.when, evidence.recording.observed);
    if (answer.truth == ConditionAnswer::Truth::no) return {};
    if (answer.truth == ConditionAnswer::Truth::unknown) return answer.reason;
    if (evidence.visibility.any_visible(forbidden.pattern)) return {};
    return fmt::format(
        "that {} does not come proves nothing: no function of that name can be seen "
        "on this kernel ({}); name what it is called there in \"aliases\", or put "
        "\"when\" on it",
        forbidden.pattern, evidence.recording.observed.kernel_release);
}

}  // namespace skbtrail::labs
