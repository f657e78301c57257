#include "labs/check/row.h"

#include <algorithm>
#include <deque>
#include <map>
#include <utility>

namespace skbtrail::labs {
namespace {

/// A choice whose alternatives are one call each is compared call by call, like a call.
bool is_single(const Pattern& pattern) {
    if (pattern.step->kind == Step::Kind::call) return true;
    if (pattern.step->kind != Step::Kind::any_of) return false;
    return std::all_of(pattern.alternatives.begin(), pattern.alternatives.end(),
                       [](const PatternList* list) {
                           if (list->patterns.size() != 1) return false;
                           const Step& step = *list->patterns[0]->step;
                           return step.kind == Step::Kind::call && !step.optional &&
                                  step.count.min == 1 && step.count.max == 1U;
                       });
}

/// Weights of single calls, summed up, for repetitions: the best start of a repetition that ends
/// at k is the best of the starts min to max calls before, as long as no call between them failed.
class Window {
  public:
    Window(std::size_t min, std::size_t max) : min_(min), max_(max) {}

    /// A call that failed: nothing that began before it goes on.
    void interrupt(std::size_t position) {
        run_begin_ = position;
        starts_.clear();
    }

    /// The best weight of a repetition that ends at `position`; `sum` is the weight of all calls
    /// before it, and `sums(s)` that of all calls before s.
    template <typename Sums>
    Weight best(std::size_t position, const Front& from, const Sums& sums) {
        if (position >= min_ && position - min_ >= run_begin_) {
            const std::size_t start = position - min_;
            if (from.at(start) != no_match) {
                const Weight value = from.at(start) - sums(start);
                while (!starts_.empty() && starts_.back().second <= value) starts_.pop_back();
                starts_.emplace_back(start, value);
            }
        }
        while (!starts_.empty() && position - starts_.front().first > max_) starts_.pop_front();
        return starts_.empty() ? no_match : starts_.front().second + sums(position);
    }

  private:
    std::size_t min_;
    std::size_t max_;
    std::size_t run_begin_ = 0;
    std::deque<std::pair<std::size_t, Weight>> starts_;
};

}  // namespace

Row::Row(Matcher& matcher, const PatternList& list, NodeId parent, std::vector<Attempt>* attempts)
    : matcher_(matcher),
      list_(list),
      parent_(parent),
      children_(matcher.children_to_compare(list, parent)),
      attempts_(attempts) {}

Front Row::run() {
    return run(list_, Front(0));
}

Front Row::run(const PatternList& list, Front front) {
    for (const Pattern* pattern : list.patterns) {
        if (front.empty()) break;
        front = advance(*pattern, front);
    }
    return front;
}

Front Row::advance(const Pattern& pattern, const Front& from) {
    Front result;
    switch (pattern.step->kind) {
        case Step::Kind::call:
            result = repeat_call(pattern, from);
            break;
        case Step::Kind::anything:
            result = skip_any(from);
            break;
        case Step::Kind::any_of:
            result = is_single(pattern) ? repeat_call(pattern, from) : choose(pattern, from);
            break;
        case Step::Kind::unordered:
            result = take_unordered(pattern, from);
            break;
        case Step::Kind::somewhere:
            result = find_below(pattern, from);
            break;
    }
    if (pattern.step->optional) result.raise(from);
    return result;
}

Front Row::repeat_call(const Pattern& pattern, const Front& from) {
    const std::size_t min = pattern.step->count.min;
    const std::size_t max = pattern.step->count.max.value_or(children_.size() + 1);
    Window taken(min, max);
    Window wants_more(0, max - 1);  // where one more call may be taken
    // sums[i] is the weight of the calls before from.first() + i.
    std::vector<Weight> sums = {0};
    const auto sum = [&](std::size_t position) { return sums[position - from.first()]; };
    Front result;
    for (std::size_t k = from.first();; ++k) {
        result.raise(k, taken.best(k, from, sum));
        const Weight before = wants_more.best(k, from, sum);
        if (k == children_.size()) {
            if (before != no_match) note(pattern, k, before);
            break;
        }
        Weight weight = no_match;
        if (before != no_match) {
            weight = matcher_.match_one(pattern, children_[k]);
            if (weight == no_match) note(pattern, k, before);
        } else if (k >= from.end()) {
            break;
        }
        if (weight == no_match) {
            taken.interrupt(k + 1);
            wants_more.interrupt(k + 1);
        }
        sums.push_back(sums.back() + std::max(weight, 0));
    }
    return result;
}

Front Row::skip_any(const Front& from) const {
    Front result;
    Weight best = no_match;
    for (std::size_t k = from.first(); k <= children_.size(); ++k) {
        best = std::max(best, from.at(k));
        result.raise(k, best);
    }
    return result;
}

Front Row::choose(const Pattern& pattern, const Front& from) {
    const std::size_t min = pattern.step->count.min;
    const std::size_t max = pattern.step->count.max.value_or(min + children_.size() + 1);
    const std::size_t rounds = std::min(max, min + children_.size() + 1);
    Front result;
    Front layer = from;
    for (std::size_t round = 0; !layer.empty(); ++round) {
        if (round >= min) result.raise(layer);
        if (round == rounds) break;
        Front next;
        for (const PatternList* alternative : pattern.alternatives) {
            next.raise(run(*alternative, layer));
        }
        // An alternative may be empty, or take anything. Once a round reaches no position that is
        // new, no later one does: what follows from the same positions is the same.
        if (layer.covers(next) && next.covers(layer)) {
            result.raise(next);
            break;
        }
        if (round >= min && result.covers(next)) break;
        layer = std::move(next);
    }
    return result;
}

Front Row::take_unordered(const Pattern& pattern, const Front& from) {
    struct Member {
        const Pattern* pattern;
        bool required;
    };
    std::vector<Member> members;
    unsigned required = 0;
    bool skip = false;
    for (const PatternList* list : pattern.alternatives) {
        const Pattern* member = list->patterns[0];
        if (member->step->kind == Step::Kind::anything) {
            skip = true;
            continue;
        }
        const bool must = !member->step->optional && member->step->count.min > 0;
        if (must) required |= 1U << members.size();
        members.push_back({member, must});
    }
    Front result;
    // Position and the set of members that have come → weight, in the order in which they can
    // depend on each other.
    std::map<std::pair<std::size_t, unsigned>, Weight> states;
    const auto reach = [&](std::size_t position, unsigned come, Weight weight) {
        const auto [state, added] = states.try_emplace({position, come}, weight);
        if (!added) state->second = std::max(state->second, weight);
    };
    for (std::size_t k = from.first(); k < from.end(); ++k) {
        if (from.at(k) != no_match) reach(k, 0, from.at(k));
    }
    while (!states.empty()) {
        const auto [position, come] = states.begin()->first;
        const Weight weight = states.begin()->second;
        states.erase(states.begin());
        if ((come & required) == required) result.raise(position, weight);
        if (skip && position < children_.size()) reach(position + 1, come, weight);
        for (std::size_t m = 0; m < members.size(); ++m) {
            const unsigned bit = 1U << m;
            if ((come & bit) != 0) continue;
            const Pattern& member = *members[m].pattern;
            const std::size_t min = std::max(1U, member.step->count.min);
            const std::size_t max = member.step->count.max.value_or(children_.size() + 1);
            Weight sum = weight;
            for (std::size_t taken = 1; taken <= max; ++taken) {
                const std::size_t at = position + taken - 1;
                const Weight one =
                    at < children_.size() ? matcher_.match_one(member, children_[at]) : no_match;
                if (one == no_match) {
                    note(member, at, sum);
                    break;
                }
                sum += one;
                if (taken >= min) reach(at + 1, come | bit, sum);
            }
        }
    }
    return result;
}

/// Where the calls at and behind `position` begin, noise before them included.
NodeId Row::begin_of(std::size_t position) const {
    return position == 0 ? parent_ + 1 : matcher_.tree().node(children_[position - 1]).end;
}

Front Row::find_below(const Pattern& pattern, const Front& from) {
    const NodeId end = matcher_.tree().node(parent_).end;
    Front found;
    bool noted = false;
    for (std::size_t k = from.first(); k < from.end(); ++k) {
        Weight weight = from.at(k);
        if (weight == no_match) continue;
        NodeId at = begin_of(k);
        NodeId last = at;
        bool all = true;
        // The first call that fits leaves most for those that follow.
        for (const Pattern* wanted : pattern.alternatives[0]->patterns) {
            const std::vector<NodeId>& matches = matcher_.all_matches(*wanted);
            const auto match = std::lower_bound(matches.begin(), matches.end(), at);
            if (match == matches.end() || *match >= end) {
                if (!noted) note_below(*wanted, at, end, weight);
                noted = true;
                all = false;
                break;
            }
            weight += matcher_.match_one(*wanted, *match);
            last = *match;
            at = last + 1;
        }
        if (!all) continue;
        const auto behind = std::upper_bound(children_.begin(), children_.end(), last);
        found.raise(static_cast<std::size_t>(behind - children_.begin()), weight);
    }
    return skip_any(found);
}

void Row::note(const Pattern& pattern, std::size_t position, Weight weight) {
    if (attempts_ == nullptr) return;
    if (pattern.step->kind == Step::Kind::any_of) {
        for (const PatternList* list : pattern.alternatives) {
            for (const Pattern* alternative : list->patterns) note(*alternative, position, weight);
        }
        return;
    }
    std::optional<NodeId> node;
    if (position < children_.size()) node = children_[position];
    attempts_->push_back({&pattern, position, weight, node});
}

/// Notes that `pattern` is nowhere between `begin` and `end`, with the calls of its function there.
void Row::note_below(const Pattern& pattern, NodeId begin, NodeId end, Weight weight) {
    if (attempts_ == nullptr) return;
    if (pattern.step->kind == Step::Kind::any_of) {
        for (const PatternList* list : pattern.alternatives) {
            note_below(*list->patterns[0], begin, end, weight);
        }
        return;
    }
    attempts_->push_back({&pattern, children_.size(), weight, std::nullopt});
    const std::vector<NodeId>& calls = matcher_.tree().calls_of(pattern.name);
    for (auto call = std::lower_bound(calls.begin(), calls.end(), begin);
         call != calls.end() && *call < end; ++call) {
        attempts_->push_back({&pattern, children_.size(), weight, *call});
    }
}

}  // namespace skbtrail::labs
