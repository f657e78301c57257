#include "labs/check/witness.h"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

namespace skbtrail::labs {
namespace {

/// Choices tried in one function's calls before the search gives up on them: what cannot be
/// decided in so many is no expectation that a person could read.
constexpr std::size_t max_tries = 100'000;

/// Goes on behind a step, from the position reached; whether the rest fits.
using Next = std::function<bool(std::size_t)>;

/// The matcher has answered whether everything fits; this walks one way that does, by trying.
class Search {
  public:
    Search(Matcher& matcher, const PatternList& list, NodeId parent)
        : matcher_(matcher),
          parent_(parent),
          children_(matcher.children_to_compare(list, parent)) {}

    bool run(const PatternList& list) {
        return steps(list, 0, 0, true, [this](std::size_t k) { return k == children_.size(); });
    }

    struct Taken {
        const Pattern* pattern;
        NodeId node;
        bool required;
    };
    const std::vector<Taken>& taken() const { return taken_; }

  private:
    bool steps(const PatternList& list, std::size_t index, std::size_t k, bool required,
               const Next& next) {
        if (++tries_ > max_tries) return false;
        if (index == list.patterns.size()) return next(k);
        const Pattern& pattern = *list.patterns[index];
        const bool here = required && !pattern.step->optional;
        const auto rest = [&, index](std::size_t at) {
            return steps(list, index + 1, at, required, next);
        };
        if (one(pattern, k, here, rest)) return true;
        return pattern.step->optional && rest(k);
    }

    bool one(const Pattern& pattern, std::size_t k, bool required, const Next& rest) {
        switch (pattern.step->kind) {
            case Step::Kind::call:
                return repeat(pattern, k, 0, required, rest);
            case Step::Kind::any_of:
                return choose(pattern, k, 0, required, rest);
            case Step::Kind::anything:
                return skip(k, rest);
            case Step::Kind::unordered:
                return unordered(pattern, k, 0, required, rest);
            case Step::Kind::somewhere:
                return somewhere(pattern, k, required, rest);
        }
        return false;
    }

    bool skip(std::size_t k, const Next& rest) {
        for (std::size_t at = k; at <= children_.size(); ++at) {
            if (rest(at)) return true;
        }
        return false;
    }

    /// Takes `node` for `pattern` while the rest is tried.
    bool take(const Pattern& pattern, NodeId node, bool required, const Next& rest,
              std::size_t at) {
        taken_.push_back({&pattern, node, required});
        if (rest(at)) return true;
        taken_.pop_back();
        return false;
    }

    bool repeat(const Pattern& pattern, std::size_t k, unsigned come, bool required,
                const Next& rest) {
        const CountRange& count = pattern.step->count;
        const bool more = (!count.max || come < *count.max) && k < children_.size() &&
                          matcher_.match_one(pattern, children_[k]) != no_match;
        const auto again = [&, come](std::size_t at) {
            return repeat(pattern, at, come + 1, required, rest);
        };
        if (more && take(pattern, children_[k], required && come < count.min, again, k + 1)) {
            return true;
        }
        return come >= count.min && rest(k);
    }

    bool choose(const Pattern& pattern, std::size_t k, unsigned round, bool required,
                const Next& rest) {
        const CountRange& count = pattern.step->count;
        if (!count.max || round < *count.max) {
            for (const PatternList* alternative : pattern.alternatives) {
                const auto again = [&, round, k](std::size_t at) {
                    // A round that took nothing would be repeated for ever.
                    if (at == k && round >= count.min) return false;
                    return choose(pattern, at, round + 1, required, rest);
                };
                if (steps(*alternative, 0, k, required && round < count.min, again)) return true;
            }
        }
        return round >= count.min && rest(k);
    }

    bool unordered(const Pattern& pattern, std::size_t k, unsigned come, bool required,
                   const Next& rest) {
        bool all = true;
        bool others = false;
        for (std::size_t m = 0; m < pattern.alternatives.size(); ++m) {
            const Pattern& member = *pattern.alternatives[m]->patterns[0];
            if (member.step->kind == Step::Kind::anything) {
                others = true;
                continue;
            }
            if ((come & (1U << m)) != 0) continue;
            const bool must = !member.step->optional && member.step->count.min > 0;
            all = all && !must;
            if (k == children_.size()) continue;
            const auto again = [&, come, m, k](std::size_t at) {
                return at > k && unordered(pattern, at, come | (1U << m), required, rest);
            };
            if (repeat_member(member, k, required && must, again)) return true;
        }
        if (all && rest(k)) return true;
        return others && k < children_.size() && unordered(pattern, k + 1, come, required, rest);
    }

    bool repeat_member(const Pattern& member, std::size_t k, bool required, const Next& rest) {
        return repeat(member, k, 0, required, rest);
    }

    bool somewhere(const Pattern& pattern, std::size_t k, bool required, const Next& rest) {
        const Tree& tree = matcher_.tree();
        NodeId at = k == 0 ? parent_ + 1 : tree.node(children_[k - 1]).end;
        const std::size_t before = taken_.size();
        NodeId last = at;
        for (const Pattern* wanted : pattern.alternatives[0]->patterns) {
            const std::vector<NodeId>& matches = matcher_.all_matches(*wanted);
            const auto match = std::lower_bound(matches.begin(), matches.end(), at);
            if (match == matches.end() || *match >= tree.node(parent_).end) {
                taken_.resize(before);
                return false;
            }
            taken_.push_back({wanted, *match, required});
            last = *match;
            at = last + 1;
        }
        const auto behind = std::upper_bound(children_.begin(), children_.end(), last);
        if (skip(static_cast<std::size_t>(behind - children_.begin()), rest)) return true;
        taken_.resize(before);
        return false;
    }

    Matcher& matcher_;
    NodeId parent_;
    std::vector<NodeId> children_;
    std::vector<Taken> taken_;
    std::size_t tries_ = 0;
};

void collect(Matcher& matcher, const PatternList& list, NodeId parent,
             std::map<NodeId, const Step*>& found) {
    if (matcher.match_list(list, parent) == no_match) return;
    Search search(matcher, list, parent);
    if (!search.run(list)) return;
    for (const Search::Taken& taken : search.taken()) {
        if (!taken.required) continue;
        const Pattern* pattern = taken.pattern;
        // Of a choice of single calls, the one that it was.
        for (const PatternList* alternative : pattern->alternatives) {
            const Pattern* single = alternative->patterns[0];
            if (matcher.match_one(*single, taken.node) != no_match) {
                pattern = single;
                break;
            }
        }
        found.emplace(taken.node, pattern->step);
        if (pattern->calls != nullptr) collect(matcher, *pattern->calls, taken.node, found);
    }
}

}  // namespace

std::map<NodeId, const Step*> required_calls(Matcher& matcher, const PatternList& list,
                                             NodeId parent) {
    std::map<NodeId, const Step*> found;
    collect(matcher, list, parent, found);
    return found;
}

}  // namespace skbtrail::labs
