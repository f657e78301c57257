#include "labs/check/divergence.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "labs/check/poll_values.h"
#include "labs/check/skb_values.h"
#include "tracer/chain/names.h"

namespace skbtrail::labs {
namespace {

/// Of the calls before the place at most these are shown.
constexpr std::size_t siblings_shown = 8;

std::string joined_path(const std::vector<std::string>& path) {
    return fmt::format("{}", fmt::join(path, " → "));
}

/// A step that has to come: not optional, not repeated often enough already, never inlined.
bool is_required(const Pattern& pattern) {
    const Step& step = *pattern.step;
    return !step.optional && !step.may_inline && step.count.min > 0;
}

class Describer {
  public:
    Describer(const Evidence& evidence, const Tree& tree, const Miss& miss)
        : evidence_(evidence), tree_(tree), miss_(miss) {}

    Divergence describe(std::optional<chain::PacketId> packet, const std::string& loss) {
        result_.chain = tree_.chain().id;
        result_.packet = packet;
        result_.path = tree_.path(miss_.parent);
        result_.expected = expected_text();
        result_.came = came_text();
        const Pattern* wanted = wanted_step();
        result_.list_over = wanted == nullptr;
        if (wanted != nullptr) {
            result_.place = wanted->step->place;
        } else if (miss_.list->owner != nullptr) {
            result_.place = miss_.list->owner->place;
        }
        if (!at_end()) result_.called = std::string(chain::base_name(function(came())));
        if (!miss_.list->patterns.empty()) result_.last = miss_.list->patterns.back()->step->place;
        add_lines();
        find_cause(wanted);
        const bool may_be_lost = !loss.empty() && result_.cause != Cause::cannot_be_seen &&
                                 result_.cause != Cause::unexpected_call &&
                                 result_.cause != Cause::other_packet;
        if (may_be_lost) {
            result_.cause = Cause::lost;
            result_.explanation =
                fmt::format("{}, so {} may have come unseen", loss, result_.expected);
            result_.next = "record again; a larger buffer or less traffic loses less";
        }
        return std::move(result_);
    }

  private:
    bool at_end() const { return !miss_.wrong && miss_.position >= miss_.children.size(); }
    NodeId came() const { return miss_.wrong ? *miss_.wrong : miss_.children[miss_.position]; }
    const std::string& function(NodeId node) const { return tree_.node(node).call->function; }
    const std::string& parent() const { return result_.path.back(); }

    std::string expected_text() const {
        std::vector<std::string> names;
        names.reserve(miss_.expected.size() + 1);
        for (const Pattern* pattern : miss_.expected) names.push_back(pattern->step->call);
        if (miss_.end_expected) names.emplace_back("nothing more");
        std::string text = fmt::format("{}", fmt::join(names, " or "));
        if (miss_.wrong_packet) {
            text += fmt::format(" for the packet \"{}\"", miss_.expected[0]->step->packet);
        } else if (miss_.wrong_skb) {
            text += " with " + values_text(miss_.expected[0]->step->skb);
        } else if (miss_.wrong_poll) {
            text += " with " + poll_values_text(miss_.expected[0]->step->poll);
        }
        return text;
    }

    std::string came_text() const {
        if (at_end()) {
            const std::string& caller = result_.path.back();
            return miss_.children.empty() ? fmt::format("nothing: {} made no call", caller)
                                          : fmt::format("nothing more from {}", caller);
        }
        const std::string& name = function(came());
        if (miss_.wrong_packet) return name + " for another packet";
        if (miss_.wrong_skb) return fmt::format("{} with {}", name, skb_text());
        return miss_.wrong_poll ? fmt::format("{} with {}", name, poll_text()) : name;
    }

    /// What the call that came was given, in the words of what was expected.
    std::string skb_text() const {
        const auto& skbs = tree_.node(came()).call->skbs;
        if (skbs.empty()) return "no sk_buff of its own";
        return values_text(miss_.expected[0]->step->skb, skbs.data());
    }

    /// What the poll that came had, all of it: what was expected of it is among that.
    std::string poll_text() const {
        const std::string text = poll_values_text(*tree_.node(came()).call);
        return text.empty() ? "neither a budget nor work recorded" : text;
    }

    /// The step that the cause is looked for: the first that had to come.
    const Pattern* wanted_step() const {
        const auto required = std::find_if(miss_.expected.begin(), miss_.expected.end(),
                                           [](const Pattern* p) { return is_required(*p); });
        if (required != miss_.expected.end()) return *required;
        return miss_.expected.empty() ? nullptr : miss_.expected[0];
    }

    void add_lines() {
        std::size_t depth = 0;
        for (const std::string& name : result_.path) {
            result_.lines.push_back({depth, name, true});
            ++depth;
        }
        const std::size_t end = std::min(miss_.position, miss_.children.size());
        const std::size_t begin = end > siblings_shown ? end - siblings_shown : 0;
        for (std::size_t i = begin; i < end; ++i) {
            result_.lines.push_back({depth, function(miss_.children[i]), false});
        }
    }

    void find_cause(const Pattern* wanted) {
        if (wanted == nullptr || (miss_.end_expected && !at_end())) {
            unexpected_call();
        } else if (miss_.wrong_packet) {
            other_packet();
        } else if (miss_.wrong_skb) {
            other_skb();
        } else if (miss_.wrong_poll) {
            other_poll();
        } else if (!not_visible(is_required(*wanted)) && !among_siblings(*wanted) &&
                   !elsewhere_in_chain(*wanted) && !in_other_chain(*wanted)) {
            result_.cause = Cause::not_called;
            result_.explanation =
                fmt::format("nothing in this recording called {}, though it could have been seen",
                            wanted->step->call);
            result_.next = fmt::format(
                "look in the source of {} under which conditions {} calls {}",
                evidence_.recording.observed.kernel_release, parent(), wanted->step->call);
        }
    }

    void unexpected_call() {
        result_.cause = Cause::unexpected_call;
        result_.explanation =
            fmt::format("{} called {}, and no step allows that here", parent(), function(came()));
        result_.next = fmt::format(
            "if {} belongs to the path, add a step for it; if it does not matter here, \"...\"; if "
            "it never matters, name it in \"noise\"",
            function(came()));
    }

    void other_skb() {
        result_.cause = Cause::other_skb;
        result_.explanation =
            fmt::format("{} was called here with that packet, but its sk_buff stood otherwise: {}",
                        function(came()), skb_text());
        result_.next =
            "look which function moved data or tail before (skb_reserve, skb_put, skb_push, "
            "skb_pull), or change \"skb\"";
    }

    void other_poll() {
        result_.cause = Cause::other_poll;
        result_.explanation = fmt::format("{} was called here, with other figures of the poll: {}",
                                          function(came()), poll_text());
        result_.next =
            "compare with what the NIC gave back before (`skbtrail show RECORDING --ring`), or "
            "change \"budget\" or \"work\"";
    }

    void other_packet() {
        result_.cause = Cause::other_packet;
        result_.explanation = fmt::format(
            "{} was called here, but neither it nor what it called "
            "was given that packet",
            function(came()));
        result_.next =
            "compare with the packets of the chain; where a packet gets another head, "
            "its copy is another packet";
    }

    /// None of the functions that could have come, of those that had to, can be seen.
    bool not_visible(bool required) {
        std::optional<std::string> reason;
        for (const Pattern* pattern : miss_.expected) {
            if (required && !is_required(*pattern)) continue;
            const auto why = evidence_.visibility.why_invisible(pattern->name);
            if (!why) return false;
            if (!reason) reason = why;
        }
        if (!reason) return false;
        result_.cause = Cause::cannot_be_seen;
        result_.explanation = *reason;
        result_.next =
            "look for it in this kernel's source: if it is inlined, expect its caller or "
            "what it calls; if it was renamed, add the name to \"aliases\"; if it is "
            "not there, put \"when\" on the step";
        return true;
    }

    bool among_siblings(const Pattern& wanted) {
        const auto is_wanted = [&](NodeId node) { return tree_.node(node).name == wanted.name; };
        const auto place = miss_.children.begin() + static_cast<std::ptrdiff_t>(std::min(
                                                        miss_.position, miss_.children.size()));
        const bool later = std::any_of(place, miss_.children.end(), is_wanted);
        const bool earlier = std::any_of(miss_.children.begin(), place, is_wanted);
        if (came_in_between(place)) return true;
        if (!later && !earlier) return false;
        // Named twice, it may be that it came, and should have come once more.
        const auto times =
            std::count(miss_.list->named.begin(), miss_.list->named.end(), wanted.name);
        if (!later && (times > 1 || wanted.step->count.min > 1)) {
            const auto came_times =
                std::count_if(miss_.children.begin(), miss_.children.end(), is_wanted);
            result_.cause = Cause::not_called;
            result_.explanation =
                fmt::format("{} called {} {} time{}, less often than expected", parent(),
                            wanted.step->call, came_times, came_times == 1 ? "" : "s");
            result_.next = "if fewer are right, change \"count\"";
            return true;
        }
        result_.cause = Cause::other_order;
        result_.explanation = fmt::format("{} did call {}, but {} than expected", parent(),
                                          wanted.step->call, later ? "later" : "earlier");
        result_.next = "if both orders are right, put the steps into \"unordered\"";
        return true;
    }

    /// A call that no step names stands before one that could have come: it is the only thing that
    /// is wrong here. Of a function that may be inlined, its calls could have come as well.
    bool came_in_between(std::vector<NodeId>::const_iterator place) {
        if (at_end() || miss_.list->names(tree_.node(came()).name)) return false;
        for (auto next = place; next != miss_.children.end(); ++next) {
            const auto step = std::find_if(
                miss_.expected.begin(), miss_.expected.end(),
                [&](const Pattern* pattern) { return pattern->name == tree_.node(*next).name; });
            if (step == miss_.expected.end()) continue;
            unexpected_call();
            result_.explanation = fmt::format("{} called {} before {}, and no step allows that",
                                              parent(), function(came()), function(*next));
            result_.place = (*step)->step->place;
            return true;
        }
        return false;
    }

    bool elsewhere_in_chain(const Pattern& wanted) {
        for (const NodeId node : tree_.calls_of(wanted.name)) {
            if (node == 0 || tree_.node(node).parent == miss_.parent) continue;
            const NodeId caller = tree_.node(node).parent;
            result_.cause = Cause::other_parent;
            result_.explanation =
                fmt::format("it was called by {}, not by {}: {}", function(caller), parent(),
                            joined_path(tree_.path(node)));
            result_.next = fmt::format("if that is right on this kernel, move the step below {}",
                                       function(caller));
            return true;
        }
        return false;
    }

    bool in_other_chain(const Pattern& wanted) {
        for (const Tree& other : evidence_.forest.trees()) {
            const auto& calls = other.calls_of(wanted.name);
            if (&other == &tree_ || calls.empty()) continue;
            result_.cause = Cause::other_chain;
            result_.explanation = fmt::format(
                "nothing in this chain called {}; it was called in chain {} (root {}): {}",
                wanted.step->call, other.chain().id, other.chain().root.function,
                joined_path(other.path(calls[0])));
            result_.next = fmt::format("compare the two: skbtrail show RECORDING --chain {}",
                                       other.chain().id);
            return true;
        }
        return false;
    }

    const Evidence& evidence_;
    const Tree& tree_;
    const Miss& miss_;
    Divergence result_;
};

}  // namespace

Divergence describe_miss(const Evidence& evidence, const Tree& tree, const Miss& miss,
                         std::optional<chain::PacketId> packet, const std::string& loss) {
    return Describer(evidence, tree, miss).describe(packet, loss);
}

Divergence describe_forbidden(const Tree& tree, NodeId node, const Forbidden& forbidden,
                              std::optional<chain::PacketId> packet) {
    Divergence result;
    result.chain = tree.chain().id;
    result.packet = packet;
    result.path = tree.path(node);
    result.came = result.path.back();
    result.path.pop_back();
    for (std::size_t depth = 0; depth < result.path.size(); ++depth) {
        result.lines.push_back({depth, result.path[depth], true});
    }
    result.expected = fmt::format(
        "no call of {}{}", forbidden.pattern,
        forbidden.packet.empty() ? "" : fmt::format(" for the packet \"{}\"", forbidden.packet));
    result.cause = Cause::forbidden_call;
    result.explanation = fmt::format("the expectation forbids {}", forbidden.pattern);
    result.next = "look at what its caller decided, and why";
    result.place = forbidden.place;
    return result;
}

}  // namespace skbtrail::labs
