#include "labs/diff/compare.h"

#include <algorithm>
#include <map>
#include <set>
#include <stdexcept>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "labs/diff/align.h"
#include "labs/diff/correspondence.h"
#include "labs/diff/durations.h"

namespace skbtrail::labs::diff {
namespace {

Origin origin(const chain::Recording& recording, const std::string& name) {
    Origin origin;
    origin.name = name;
    origin.kernel = recording.observed.kernel_release;
    origin.build_id = recording.observed.kernel_build_id;
    const auto& host = recording.observed.host;
    if (const auto lab = host.find("lab"); lab != host.end()) origin.lab = lab->second;
    if (const auto change = host.find("change"); change != host.end()) {
        origin.change = change->second;
    }
    origin.lost = chain::total(recording.losses);
    return origin;
}

std::size_t calls_in(const std::vector<ViewCall>& trees) {
    std::size_t calls = 0;
    for (const ViewCall& tree : trees) calls += tree.size;
    return calls;
}

/// What became of all heads of a packet, in words that can be compared.
std::string fate_of(const Views& views, PacketClass packet) {
    std::set<std::string> ends;
    for (const chain::Packet* member : views.members(packet)) {
        const chain::Fate& fate = member->fate;
        if (fate.kind == "unknown" || fate.kind == "queued") continue;
        ends.insert(fate.reason.empty() ? fate.kind
                                        : fmt::format("{} ({})", fate.kind, fate.reason));
    }
    return ends.empty() ? "not seen" : fmt::format("{}", fmt::join(ends, ", "));
}

class Comparing {
  public:
    Comparing(const chain::Recording& a, const chain::Recording& b, const CompareOptions& options)
        : options_(options),
          names_({}, NoiseFilter()),
          rules_(options.use_rules ? named_rules() : no_rules_, names_),
          waiting_rules_(named_rules(), names_),
          a_(a, names_, rules_, options.focus),
          b_(b, names_, rules_, options.focus),
          clock_(common_instruction_clock(a, b)),
          durations_(waiting_rules_, names_),
          aligner_(a_, b_, rules_, names_, meter()) {}

    void run(Comparison& comparison) {
        bool any = false;
        for (const auto& [a, b] : corresponding(a_, b_, rules_)) {
            if (options_.packet && !is_wanted(a)) continue;
            any = true;
            compare_packets(a, b, comparison);
        }
        any |= compare_named_chains(comparison);
        if (!any) {
            throw std::invalid_argument(
                options_.packet
                    ? fmt::format("the first recording has no packet {} whose headers were seen; "
                                  "`skbtrail show` lists its packets",
                                  *options_.packet)
                    : "neither recording has a packet whose headers were seen, and no chain "
                      "without one has a name in the verdicts beside both, so which is which "
                      "cannot be told. `skbtrail run` writes a verdict; --from is about packets "
                      "alone");
        }
        comparison.a.without_packet = a_.without_packet() - named_a_.size();
        comparison.b.without_packet = b_.without_packet() - named_b_.size();
        join_moved(comparison);
        if (clock_) comparison.durations = durations_.sum_up(*clock_);
        auto explained = aligner_.explained();
        for (const std::size_t rule : explained_contents_) ++explained[rule];
        for (const auto& [rule, times] : explained) {
            comparison.explained.push_back(
                {rules_.rule(rule).name, rules_.rule(rule).reason, times});
        }
    }

  private:
    Aligner::OnPair meter() {
        if (!clock_) return {};
        return [this](const ViewCall& a, const ViewCall& b) { durations_.add(*a.call, *b.call); };
    }

    bool is_wanted(std::optional<PacketClass> a) const {
        if (!a) return false;
        const auto& members = a_.members(*a);
        return std::any_of(members.begin(), members.end(),
                           [&](const auto* packet) { return packet->id == *options_.packet; });
    }

    void compare_packets(std::optional<PacketClass> a, std::optional<PacketClass> b,
                         Comparison& comparison) {
        Pair pair;
        // NOLINTNEXTLINE(bugprone-unchecked-optional-access): of a pair, one is there
        const chain::Packet& either = a ? a_.packet(*a) : b_.packet(*b);
        pair.summary = either.summary;
        const std::size_t index = comparison.pairs.size();
        const auto of_a = a ? a_.of(*a) : std::vector<ViewCall>();
        const auto of_b = b ? b_.of(*b) : std::vector<ViewCall>();
        pair.calls_a = calls_in(of_a);
        pair.calls_b = calls_in(of_b);
        if (a) pair.a = a_.packet(*a).id;
        if (b) pair.b = b_.packet(*b).id;
        comparison.pairs.push_back(std::move(pair));
        if (!a || !b) {
            Difference difference;
            difference.change = a ? Change::packet_gone : Change::packet_added;
            difference.function = either.summary;
            add(std::move(difference), index, comparison);
            return;
        }
        const auto contents = content_rules(a_.packet(*a), b_.packet(*b), rules_);
        explained_contents_.insert(explained_contents_.end(), contents.begin(), contents.end());
        for (const Mismatch& mismatch : aligner_.compare(of_a, of_b)) {
            add_mismatch(mismatch, index, comparison);
        }
        const std::string end_a = fate_of(a_, *a);
        const std::string end_b = fate_of(b_, *b);
        if (end_a != end_b && options_.focus.below.empty() && options_.focus.from.empty()) {
            Difference difference;
            difference.change = Change::fate;
            difference.function = end_a;
            difference.other = end_b;
            add(std::move(difference), index, comparison);
        }
    }

    /// Chains that handle no packet, with their namesakes. Whether there was any.
    bool compare_named_chains(Comparison& comparison) {
        // What a packet does from a call on is said of no chain.
        if (options_.packet || !options_.focus.from.empty()) return false;
        bool any = false;
        for (const NamedChain& of_a : options_.chains_a) {
            const auto of_b =
                std::find_if(options_.chains_b.begin(), options_.chains_b.end(),
                             [&](const NamedChain& chain) { return chain.name == of_a.name; });
            if (of_b == options_.chains_b.end()) continue;
            // Those that handle packets are compared by these.
            const bool known_a = !of_a.found.empty() && all_without_packet(of_a.found, a_);
            const bool known_b = !of_b->found.empty() && all_without_packet(of_b->found, b_);
            if ((!known_a && !known_b) || (!known_a && !of_a.found.empty()) ||
                (!known_b && !of_b->found.empty())) {
                continue;
            }
            any = true;
            compare_namesakes(of_a, *of_b, comparison);
        }
        return any;
    }

    static bool all_without_packet(const std::vector<chain::ChainId>& chains, const Views& views) {
        return std::all_of(chains.begin(), chains.end(),
                           [&](chain::ChainId id) { return views.is_without_packet(id); });
    }

    /// Those that were found, or else what came nearest, if that handles no packet either.
    static std::vector<chain::ChainId> candidates(const NamedChain& named, const Views& views) {
        if (!named.found.empty() || !named.nearest || !views.is_without_packet(*named.nearest)) {
            return named.found;
        }
        return {*named.nearest};
    }

    void compare_namesakes(const NamedChain& a, const NamedChain& b, Comparison& comparison) {
        const auto of_a = candidates(a, a_);
        const auto of_b = candidates(b, b_);
        named_a_.insert(of_a.begin(), of_a.end());
        named_b_.insert(of_b.begin(), of_b.end());
        if (of_a.empty() || of_b.empty()) {
            tell_missing(a, of_a, b, of_b, comparison);
            return;
        }
        // How often it came may vary: the expectation says whether.
        for (std::size_t i = 0; i < of_a.size() && i < of_b.size(); ++i) {
            const auto trees_a = a_.of_chain(of_a[i]);
            const auto trees_b = b_.of_chain(of_b[i]);
            comparison.pairs.push_back({.is_chain = true,
                                        .a = of_a[i],
                                        .b = of_b[i],
                                        .summary = a.name,
                                        .calls_a = calls_in(trees_a),
                                        .calls_b = calls_in(trees_b)});
            for (const Mismatch& mismatch : aligner_.compare(trees_a, trees_b)) {
                add_mismatch(mismatch, comparison.pairs.size() - 1, comparison);
            }
        }
    }

    /// One side has the chain, the other one does not, or has lost it.
    void tell_missing(const NamedChain& a, const std::vector<chain::ChainId>& of_a,
                      const NamedChain& b, const std::vector<chain::ChainId>& of_b,
                      Comparison& comparison) {
        Pair pair{.is_chain = true, .a = {}, .b = {}, .summary = a.name};
        if (!of_a.empty()) pair.a = of_a.front();
        if (!of_b.empty()) pair.b = of_b.front();
        comparison.pairs.push_back(std::move(pair));
        Difference difference;
        difference.function = a.name;
        difference.blind = of_a.empty() ? Side::a : Side::b;
        if (of_a.empty() ? a.lost : b.lost) {
            difference.change = Change::lost;
        } else {
            difference.change = of_a.empty() ? Change::chain_added : Change::chain_gone;
        }
        add(std::move(difference), comparison.pairs.size() - 1, comparison);
    }

    void add_mismatch(const Mismatch& mismatch, std::size_t pair, Comparison& comparison) {
        // Calls without a packet of their own are seen by every packet that their caller handles.
        const auto key = std::tuple(mismatch.change, mismatch.a ? mismatch.a->call : nullptr,
                                    mismatch.b ? mismatch.b->call : nullptr);
        if (const auto known = seen_.find(key); known != seen_.end()) {
            note_pair(comparison.differences[known->second], pair, comparison);
            return;
        }
        const ViewCall* either = mismatch.a != nullptr ? mismatch.a : mismatch.b;
        if (either == nullptr) return;
        const ViewCall& call = *either;
        Difference difference;
        difference.change = mismatch.change;
        difference.function = call.call->function;
        difference.blind = mismatch.blind;
        difference.below = call.size - 1;
        difference.path = texts(mismatch.path);
        if (mismatch.change == Change::renamed && mismatch.b != nullptr) {
            difference.other = mismatch.b->call->function;
        }
        if (mismatch.change == Change::moved) difference.to = texts(mismatch.to);
        if (mismatch.change == Change::not_traceable || mismatch.change == Change::inlined) {
            difference.detail = why_blind(call, mismatch.blind);
        }
        const std::size_t place = add(std::move(difference), pair, comparison);
        seen_.emplace(key, place);
        chains_[place].insert(call.chain->id);
    }

    std::string why_blind(const ViewCall& call, Side side) const {
        const auto& unavailable = (side == Side::a ? a_ : b_).recording().observed.unavailable;
        const auto found = std::find_if(
            unavailable.begin(), unavailable.end(),
            [&](const auto& candidate) { return candidate.function == call.call->function; });
        return found == unavailable.end() ? "" : found->reason;
    }

    /// Adds it to those that look the same; returns its place.
    std::size_t add(Difference difference, std::size_t pair, Comparison& comparison) {
        const auto key =
            std::tuple(difference.change, difference.function, difference.other, difference.path,
                       difference.to, difference.blind, difference.below);
        const auto [known, is_new] = alike_.emplace(key, comparison.differences.size());
        if (is_new) {
            comparison.differences.push_back(std::move(difference));
        } else {
            ++comparison.differences[known->second].times;
        }
        note_pair(comparison.differences[known->second], pair, comparison);
        return known->second;
    }

    static void note_pair(Difference& difference, std::size_t pair, Comparison& comparison) {
        auto& pairs = difference.pairs;
        if (pairs.empty() || pairs.back() != pair) pairs.push_back(pair);
        if (is_difference(difference.change)) comparison.pairs[pair].equal = false;
    }

    std::vector<std::string> texts(const std::vector<NameId>& names) const {
        std::vector<std::string> result;
        result.reserve(names.size());
        for (const NameId name : names) result.push_back(names_.text(name));
        return result;
    }

    /// A call without a packet that went from one packet's branch to another's was found as gone
    /// here and as added there; in one chain, that is a move.
    void join_moved(Comparison& comparison) const {
        auto& all = comparison.differences;
        std::set<std::size_t> joined;
        for (std::size_t i = 0; i < all.size(); ++i) {
            if (all[i].change != Change::gone || all[i].times != 1) continue;
            for (std::size_t j = 0; j < all.size(); ++j) {
                if (all[j].change != Change::added || all[j].times != 1 || joined.contains(j) ||
                    all[j].function != all[i].function || all[j].below != all[i].below ||
                    !in_one_chain(i, j)) {
                    continue;
                }
                all[i].change = Change::moved;
                all[i].to = all[j].path;
                all[i].pairs.insert(all[i].pairs.end(), all[j].pairs.begin(), all[j].pairs.end());
                joined.insert(j);
                break;
            }
        }
        for (auto place = joined.rbegin(); place != joined.rend(); ++place) {
            all.erase(all.begin() + static_cast<std::ptrdiff_t>(*place));
        }
    }

    bool in_one_chain(std::size_t gone, std::size_t added) const {
        const auto of_a = chains_.find(gone);
        const auto of_b = chains_.find(added);
        if (of_a == chains_.end() || of_b == chains_.end()) return false;
        const auto& together = aligner_.together();
        return std::any_of(of_a->second.begin(), of_a->second.end(), [&](chain::ChainId a) {
            return std::any_of(of_b->second.begin(), of_b->second.end(),
                               [&](chain::ChainId b) { return together.contains({a, b}); });
        });
    }

    const CompareOptions& options_;
    const std::vector<Rule> no_rules_;
    NameTable names_;
    RuleBook rules_;
    RuleBook waiting_rules_;  ///< also where no rule explains a difference
    Views a_;
    Views b_;
    std::optional<unsigned> clock_;
    DurationMeter durations_;
    Aligner aligner_;
    std::map<std::tuple<Change, const chain::Call*, const chain::Call*>, std::size_t> seen_;
    std::map<std::tuple<Change, std::string, std::string, std::vector<std::string>,
                        std::vector<std::string>, Side, std::size_t>,
             std::size_t>
        alike_;
    std::map<std::size_t, std::set<chain::ChainId>> chains_;
    // Chains that were compared by their names.
    std::set<chain::ChainId> named_a_;
    std::set<chain::ChainId> named_b_;
    /// Rules by which packets that carry something else were compared, once for each of them.
    std::vector<std::size_t> explained_contents_;
};

}  // namespace

Comparison compare(const chain::Recording& a, const std::string& name_a, const chain::Recording& b,
                   const std::string& name_b, const CompareOptions& options) {
    Comparison comparison;
    comparison.a = origin(a, name_a);
    comparison.b = origin(b, name_b);
    Comparing(a, b, options).run(comparison);
    for (const Difference& difference : comparison.differences) {
        if (is_difference(difference.change)) {
            comparison.likeness = Likeness::different;
        } else if (difference.change == Change::lost && comparison.likeness == Likeness::equal) {
            comparison.likeness = Likeness::unknown;
        }
    }
    return comparison;
}

}  // namespace skbtrail::labs::diff
