#include "labs/check/sharpness.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "labs/check/chain_check.h"
#include "labs/check/check.h"
#include "labs/check/notices.h"
#include "labs/check/poll_values.h"
#include "labs/check/program.h"
#include "labs/check/skb_values.h"
#include "labs/check/witness.h"

namespace skbtrail::labs {
namespace {

/// No kernel has a function of this name.
constexpr const char* mutant = "skbtrail_mutant";

/// A call that a required step needs.
struct Required {
    std::size_t expected = 0;        ///< index of the expected chain
    std::size_t chain = 0;           ///< index in the recording
    std::vector<std::size_t> steps;  ///< which call of the root, which call of that one, …
    std::vector<std::string> skb;    ///< what its step says of the packet's sk_buff
    std::vector<std::string> poll;   ///< and of the poll
};

/// A chain whose processor is expected.
struct Placed {
    std::size_t expected = 0;
    std::size_t chain = 0;
};

/// A kick or a call that a chain's packet is asked for by, made or suppressed.
struct Noticed {
    std::size_t expected = 0;
    std::size_t chain = 0;
    std::size_t event = 0;  ///< index in the recording
};

/// All that an expectation needs of a recording.
struct Needed {
    std::vector<Required> calls;
    std::vector<Placed> chains;
    std::vector<Noticed> notices;
    /// Of each expected chain: the packets that have a name when it is judged.
    std::vector<Bindings> bindings;
    /// Of each expected chain: the recorded ones that a name for a packet comes from, above it.
    std::vector<std::set<std::size_t>> named_by;
};

std::vector<std::size_t> steps_to(const Tree& tree, NodeId node) {
    std::vector<std::size_t> steps;
    while (node != 0) {
        const NodeId parent = tree.node(node).parent;
        const auto& calls = tree.node(parent).call->calls;
        steps.push_back(static_cast<std::size_t>(tree.node(node).call - calls.data()));
        node = parent;
    }
    std::reverse(steps.begin(), steps.end());
    return steps;
}

/// What a step says values of. Where nobody saw what the call was given, nothing was compared.
template <typename Number>
std::vector<std::string> names_of(const std::map<std::string, Number>& values, bool blind) {
    std::vector<std::string> names;
    if (blind) return names;
    for (const auto& [name, value] : values) names.push_back(name);
    return names;
}

/// Where the kicks and calls are that came with a packet, of those that the expected chain asks
/// for.
std::vector<std::size_t> notices_of(const Evidence& evidence, const ExpectedChain& expected,
                                    chain::PacketId packet) {
    const auto asks = [&](const char* word) {
        return expected.packet && expected.packet->headers.contains(word);
    };
    const auto& events = evidence.recording.ring_events;
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < events.size(); ++i) {
        if (events[i].packet != packet) continue;
        const bool used = events[i].event == "used";
        if (!asks(used ? "ring.call" : "ring.kick")) continue;
        const auto* const notice = used ? call_of(events, i) : kick_of(events, i);
        if (notice != nullptr) found.push_back(static_cast<std::size_t>(notice - events.data()));
    }
    return found;
}

/// All that required steps of the expected chains need.
Needed find_needed(const Evidence& evidence, const Expectation& expectation) {
    const auto& trees = evidence.forest.trees();
    Bindings bindings = named_packets(evidence, expectation);
    Needed needed;
    std::set<std::size_t> named_by;
    for (std::size_t index = 0; index < expectation.chains.size(); ++index) {
        const ExpectedChain& expected = expectation.chains[index];
        needed.bindings.push_back(bindings);
        needed.named_by.push_back(named_by);
        const ChainVerdict verdict = check_chain(evidence, expected, bindings);
        const Program program(expected, evidence.recording.observed, evidence.names);
        for (std::size_t i = 0; i < verdict.chains.size(); ++i) {
            const auto tree = std::find_if(trees.begin(), trees.end(), [&](const Tree& known) {
                return known.chain().id == verdict.chains[i];
            });
            const auto chain = static_cast<std::size_t>(tree - trees.begin());
            if (!expected.bind.empty()) named_by.insert(chain);
            if (expected.cpu) needed.chains.push_back({index, chain});
            if (i < verdict.packets.size()) {
                for (const auto event : notices_of(evidence, expected, verdict.packets[i])) {
                    needed.notices.push_back({index, chain, event});
                }
            }
            if (program.calls() == nullptr) continue;
            Bindings own = bindings;
            if (!expected.bind.empty() && i < verdict.packets.size()) {
                own[expected.bind] = {evidence.forest.class_of(verdict.packets[i])};
            }
            Matcher matcher(*tree, evidence.names, own, false);
            for (const auto& [node, step] : required_calls(matcher, *program.calls(), 0)) {
                const bool blind = tree->node(node).blind;
                needed.calls.push_back({index, chain, steps_to(*tree, node),
                                        names_of(step->skb, blind), names_of(step->poll, blind)});
            }
        }
    }
    return needed;
}

class Mutator {
  public:
    Mutator(chain::Call& root, const std::vector<std::size_t>& steps, const NoiseFilter& noise)
        : steps_(steps), noise_(noise) {
        ancestors_.push_back(&root);
        for (const std::size_t step : steps) {
            ancestors_.push_back(&ancestors_.back()->calls[step]);
        }
    }

    /// Makes a value of the call's sk_buffs another one.
    void alter_skb(const std::string& name) {
        for (chain::SkbGeometry& skb : ancestors_.back()->skbs) change_skb_value(skb, name);
    }
    /// The same of a poll's.
    void alter_poll(const std::string& name) { change_poll_value(*ancestors_.back(), name); }

    /// Changes the call; false when there is nothing to change it with.
    bool apply(Mutation mutation) {
        switch (mutation) {
            case Mutation::removed:
                siblings().erase(here());
                return true;
            case Mutation::renamed:
                ancestors_.back()->function = mutant;
                return true;
            case Mutation::moved:
                return move();
            case Mutation::swapped:
                return swap();
            case Mutation::altered:
            case Mutation::elsewhere:
                break;
        }
        return false;
    }

  private:
    std::vector<chain::Call>& siblings() { return ancestors_[ancestors_.size() - 2]->calls; }
    std::vector<chain::Call>::iterator here() {
        return siblings().begin() + static_cast<std::ptrdiff_t>(steps_.back());
    }

    /// The nearest call beside it that is compared.
    std::optional<std::size_t> neighbour() {
        const auto& calls = siblings();
        const std::size_t own = steps_.back();
        const auto fits = [&](std::size_t i) {
            return !noise_.is_noise(calls[i].function) && calls[i].function != calls[own].function;
        };
        for (std::size_t i = own + 1; i < calls.size(); ++i) {
            if (!noise_.is_noise(calls[i].function)) {
                if (fits(i)) return i;
                break;
            }
        }
        for (std::size_t i = own; i-- > 0;) {
            if (!noise_.is_noise(calls[i].function)) {
                if (fits(i)) return i;
                break;
            }
        }
        return std::nullopt;
    }

    /// To its caller's caller, just behind its caller; below the root, into its neighbour.
    bool move() {
        chain::Call moved = *here();
        if (steps_.size() > 1) {
            siblings().erase(here());
            auto& above = ancestors_[ancestors_.size() - 3]->calls;
            const auto behind = static_cast<std::ptrdiff_t>(steps_[steps_.size() - 2]) + 1;
            above.insert(above.begin() + behind, std::move(moved));
            return true;
        }
        const auto other = neighbour();
        if (!other) return false;
        siblings()[*other].calls.push_back(std::move(moved));
        siblings().erase(here());
        return true;
    }

    bool swap() {
        const auto other = neighbour();
        if (!other) return false;
        std::swap(*here(), siblings()[*other]);
        return true;
    }

    const std::vector<std::size_t>& steps_;
    const NoiseFilter& noise_;
    std::vector<chain::Call*> ancestors_;  ///< from the root to the call itself
};

std::vector<std::string> path_to(const chain::Call& root, const std::vector<std::size_t>& steps) {
    std::vector<std::string> path = {root.function};
    const chain::Call* call = &root;
    for (const std::size_t step : steps) {
        call = &call->calls[step];
        path.push_back(call->function);
    }
    return path;
}

/// Makes one change after the other, and checks each time. The recording is laid out once: a
/// change concerns one chain.
class Measurement {
  public:
    Measurement(const chain::Recording& recording, const Expectation& expectation)
        : recording_(recording),
          expectation_(expectation),
          noise_(expectation.noise),
          changed_(recording),
          names_(expectation.aliases, noise_),
          forest_(changed_, names_),
          visibility_(changed_.observed, names_),
          needed_(find_needed(evidence(), expectation)) {}

    bool passes() { return check(evidence(), expectation_).outcome == Outcome::passed; }

    Sharpness run() {
        for (const Required& required : needed_.calls) vary(required);
        for (const Placed& placed : needed_.chains) {
            ++changed_.chains[placed.chain].cpu;
            judge(Mutation::elsewhere, placed.expected, placed.chain, {});
            --changed_.chains[placed.chain].cpu;
            forest_.renew(placed.chain, changed_.chains[placed.chain], names_);
        }
        for (const Noticed& noticed : needed_.notices) {
            chain::RingEvent& event = changed_.ring_events[noticed.event];
            event.event = other_notice(event.event);
            judge(Mutation::altered, noticed.expected, noticed.chain, {});
            event.event = other_notice(event.event);
        }
        return std::move(result_);
    }

  private:
    Evidence evidence() { return {changed_, forest_, names_, visibility_}; }

    void vary(const Required& required) {
        ++result_.required;
        chain::Call& root = changed_.chains[required.chain].root;
        for (const Mutation mutation :
             {Mutation::removed, Mutation::renamed, Mutation::moved, Mutation::swapped}) {
            if (Mutator(root, required.steps, noise_).apply(mutation)) {
                judge(mutation, required.expected, required.chain, required.steps);
            }
            root = recording_.chains[required.chain].root;
        }
        for (const std::string& name : required.skb) {
            Mutator(root, required.steps, noise_).alter_skb(name);
            judge(Mutation::altered, required.expected, required.chain, required.steps);
            root = recording_.chains[required.chain].root;
        }
        for (const std::string& name : required.poll) {
            Mutator(root, required.steps, noise_).alter_poll(name);
            judge(Mutation::altered, required.expected, required.chain, required.steps);
            root = recording_.chains[required.chain].root;
        }
        forest_.renew(required.chain, changed_.chains[required.chain], names_);
    }

    /// Whether the check fails now that the recorded chain `chain` was changed.
    bool notices(std::size_t expected, std::size_t chain) {
        forest_.renew(chain, changed_.chains[chain], names_);
        // The expected chain that needs what was changed fails nearly always, and then the others
        // do not matter; unless one of those above it names its packets by what was changed.
        if (!needed_.named_by[expected].contains(chain)) {
            Bindings bindings = needed_.bindings[expected];
            const auto verdict = check_chain(evidence(), expectation_.chains[expected], bindings);
            if (verdict.outcome == Outcome::diverged) return true;
        }
        return check(evidence(), expectation_).outcome == Outcome::diverged;
    }

    void judge(Mutation mutation, std::size_t expected, std::size_t chain,
               const std::vector<std::size_t>& steps) {
        ++result_.tried;
        if (notices(expected, chain)) return;
        const chain::Chain& original = recording_.chains[chain];
        result_.survivors.push_back({mutation, expectation_.chains[expected].name, original.id,
                                     path_to(original.root, steps)});
    }

    const chain::Recording& recording_;
    const Expectation& expectation_;
    const NoiseFilter noise_;
    chain::Recording changed_;
    NameTable names_;
    Forest forest_;
    Visibility visibility_;
    const Needed needed_;
    Sharpness result_;
};

}  // namespace

std::string_view mutation_name(Mutation mutation) {
    constexpr std::array<std::string_view, 6> names = {"removed", "renamed", "moved",
                                                       "swapped", "altered", "elsewhere"};
    return names.at(static_cast<std::size_t>(mutation));
}

double Sharpness::score() const {
    return tried == 0 ? 0.0
                      : static_cast<double>(tried - survivors.size()) / static_cast<double>(tried);
}

Sharpness measure_sharpness(const chain::Recording& recording, const Expectation& expectation) {
    Measurement measurement(recording, expectation);
    if (!measurement.passes()) {
        throw std::invalid_argument(
            "the recording does not pass, so it cannot be told what the expectation would notice; "
            "`skbtrail check` says why it does not");
    }
    return measurement.run();
}

}  // namespace skbtrail::labs
