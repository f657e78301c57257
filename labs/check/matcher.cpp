#include "labs/check/matcher.h"

#include <algorithm>
#include <utility>

#include "labs/check/poll_values.h"
#include "labs/check/row.h"
#include "labs/check/skb_values.h"

namespace skbtrail::labs {
namespace {

std::uint64_t key_of(const Pattern& pattern, NodeId node) {
    return (static_cast<std::uint64_t>(pattern.id) << 32U) | node;
}

}  // namespace

Matcher::Matcher(const Tree& tree, const NameTable& names, const Bindings& bindings,
                 bool demand_complete)
    : tree_(tree), names_(names), bindings_(bindings), demand_complete_(demand_complete) {}

std::vector<NodeId> Matcher::children_to_compare(const PatternList& list, NodeId parent) const {
    std::vector<NodeId> children;
    add_children(list, parent, children);
    return children;
}

void Matcher::add_children(const PatternList& list, NodeId parent,
                           std::vector<NodeId>& children) const {
    const Node& node = tree_.node(parent);
    for (NodeId child = parent + 1; child < node.end; child = tree_.node(child).end) {
        const NameId name = tree_.node(child).name;
        // A compiler that splits a function lets it call its own larger part: what that calls, the
        // function calls.
        const std::string& recorded = tree_.node(child).call->function;
        if (name == node.name && recorded.find(".part.") != std::string::npos) {
            add_children(list, child, children);
        } else if (!names_.is_noise(name) || list.names(name)) {
            children.push_back(child);
        }
    }
}

bool Matcher::packet_agrees(const Pattern& pattern, NodeId node) const {
    if (pattern.step->packet.empty()) return true;
    const auto bound = bindings_.find(pattern.step->packet);
    if (bound == bindings_.end()) return false;
    // Where nobody could see what it was given, that it was called is all there is to compare.
    if (tree_.node(node).blind) return true;
    return tree_.handles_any(node, bound->second);
}

bool Matcher::skb_agrees(const Pattern& pattern, NodeId node) const {
    if (pattern.step->skb.empty() || tree_.node(node).blind) return true;
    const auto& skbs = tree_.node(node).call->skbs;
    return std::any_of(skbs.begin(), skbs.end(), [&](const chain::SkbGeometry& skb) {
        return has_values(skb, pattern.step->skb);
    });
}

bool Matcher::poll_agrees(const Pattern& pattern, NodeId node) const {
    return tree_.node(node).blind || has_poll_values(*tree_.node(node).call, pattern.step->poll);
}

bool Matcher::itself_agrees(const Pattern& pattern, NodeId node) const {
    return tree_.node(node).name == pattern.name && packet_agrees(pattern, node) &&
           skb_agrees(pattern, node) && poll_agrees(pattern, node);
}

Weight Matcher::match_call(const Pattern& pattern, NodeId node) {
    if (!itself_agrees(pattern, node)) return no_match;
    if (pattern.calls == nullptr) return call_weight;
    const std::uint64_t key = key_of(pattern, node);
    if (const auto known = known_.find(key); known != known_.end()) return known->second;
    const Weight below = match_list(*pattern.calls, node);
    const Weight weight = below == no_match ? no_match : call_weight + below;
    known_.emplace(key, weight);
    return weight;
}

Weight Matcher::match_one(const Pattern& pattern, NodeId node) {
    if (pattern.step->kind == Step::Kind::call) return match_call(pattern, node);
    Weight best = no_match;
    for (const PatternList* list : pattern.alternatives) {
        best = std::max(best, match_call(*list->patterns[0], node));
    }
    return best;
}

Weight Matcher::match_list(const PatternList& list, NodeId parent) {
    if (demand_complete_ && !tree_.node(parent).call->incomplete.empty()) return no_match;
    Row row(*this, list, parent);
    return row.run().at(row.children().size());
}

const std::vector<NodeId>& Matcher::all_matches(const Pattern& pattern) {
    const auto known = all_.find(pattern.id);
    if (known != all_.end()) return known->second;
    std::vector<NodeId> matches;
    const auto add = [&](const Pattern& call) {
        for (const NodeId node : tree_.calls_of(call.name)) {
            if (match_call(call, node) != no_match) matches.push_back(node);
        }
    };
    if (pattern.step->kind == Step::Kind::call) {
        add(pattern);
    } else {
        for (const PatternList* list : pattern.alternatives) add(*list->patterns[0]);
        std::sort(matches.begin(), matches.end());
    }
    return all_.emplace(pattern.id, std::move(matches)).first->second;
}

Miss Matcher::explain(const PatternList& list, NodeId parent) {
    std::vector<Attempt> attempts;
    Row row(*this, list, parent, &attempts);
    const Front front = row.run();
    const std::size_t count = row.children().size();
    for (std::size_t k = front.first(); k < front.end() && k < count; ++k) {
        if (front.at(k) != no_match) {
            attempts.push_back({nullptr, k, front.at(k), row.children()[k]});
        }
    }
    // Which attempt came furthest; one that failed below a call of the right name goes on there.
    const auto below = [&](const Attempt& attempt) -> const Miss* {
        if (!same_function(attempt) || !itself_agrees(*attempt.pattern, *attempt.node)) {
            return nullptr;
        }
        if (attempt.pattern->calls == nullptr) return nullptr;
        const std::uint64_t key = key_of(*attempt.pattern, *attempt.node);
        const auto known = explained_.find(key);
        if (known != explained_.end()) return &known->second;
        Miss miss = explain(*attempt.pattern->calls, *attempt.node);
        return &explained_.emplace(key, std::move(miss)).first->second;
    };
    const auto weight_of = [&](const Attempt& attempt, const Miss* inner) {
        return attempt.weight + (same_function(attempt) ? 1 : 0) + (inner ? inner->weight : 0);
    };
    Weight best_weight = no_match;
    std::size_t best_position = 0;
    const Miss* best_below = nullptr;
    for (const Attempt& attempt : attempts) {
        const Miss* inner = below(attempt);
        const Weight weight = weight_of(attempt, inner);
        if (weight < best_weight) continue;
        if (weight == best_weight && attempt.position <= best_position) continue;
        best_weight = weight;
        best_position = attempt.position;
        best_below = inner;
    }
    if (best_below != nullptr) {
        Miss miss = *best_below;
        miss.weight = best_weight;
        return miss;
    }
    Miss miss{std::max(best_weight, 0),
              parent,
              &list,
              row.children(),
              best_position,
              {},
              false,
              false,
              false};
    for (const Attempt& attempt : attempts) {
        if (attempt.position != best_position ||
            weight_of(attempt, below(attempt)) != best_weight) {
            continue;
        }
        const Pattern* pattern = attempt.pattern;
        if (pattern == nullptr) {
            miss.end_expected = true;
            continue;
        }
        if (same_function(attempt)) {
            const bool packet = packet_agrees(*pattern, *attempt.node);
            const bool skb = skb_agrees(*pattern, *attempt.node);
            miss.wrong_packet = miss.wrong_packet || !packet;
            miss.wrong_skb = miss.wrong_skb || (packet && !skb);
            miss.wrong_poll = miss.wrong_poll || (packet && skb);
            if (!miss.wrong) miss.wrong = attempt.node;
        }
        if (std::none_of(miss.expected.begin(), miss.expected.end(),
                         [&](const Pattern* p) { return p->name == pattern->name; })) {
            miss.expected.push_back(pattern);
        }
    }
    return miss;
}

bool Matcher::same_function(const Attempt& attempt) const {
    return attempt.pattern != nullptr && attempt.node &&
           tree_.node(*attempt.node).name == attempt.pattern->name;
}

}  // namespace skbtrail::labs
