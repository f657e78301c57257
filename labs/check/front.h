// How far a list of calls has been matched, in every way at once.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace skbtrail::labs {

/// How much of an expectation was found; no_match where it was not.
using Weight = int;
inline constexpr Weight no_match = -1;

/// For each position between calls (k: the first k calls are matched) the weight of the best way
/// to get there. Positions that cannot be reached cost nothing at either end, so a front that
/// moves through a long list stays small.
class Front {
  public:
    Front() = default;
    /// Only `position` is reached, with nothing matched yet.
    explicit Front(std::size_t position) { raise(position, 0); }

    Weight at(std::size_t position) const {
        const bool inside = position >= first_ && position - first_ < weights_.size();
        return inside ? weights_[position - first_] : no_match;
    }

    /// `position` can be reached with `weight`, too.
    void raise(std::size_t position, Weight weight) {
        if (weight == no_match) return;
        if (weights_.empty()) first_ = position;
        if (position < first_) {
            weights_.insert(weights_.begin(), first_ - position, no_match);
            first_ = position;
        }
        if (position - first_ >= weights_.size()) {
            weights_.resize(position - first_ + 1, no_match);
        }
        Weight& there = weights_[position - first_];
        there = std::max(there, weight);
    }

    void raise(const Front& other) {
        for (std::size_t k = other.first(); k < other.end(); ++k) raise(k, other.at(k));
    }

    bool empty() const { return weights_.empty(); }
    /// The first position that is reached.
    std::size_t first() const { return first_; }
    /// One behind the last position that is reached.
    std::size_t end() const { return first_ + weights_.size(); }

    /// Whether each position that `other` reaches is reached here, too.
    bool covers(const Front& other) const {
        for (std::size_t k = other.first(); k < other.end(); ++k) {
            if (other.at(k) != no_match && at(k) == no_match) return false;
        }
        return true;
    }

  private:
    std::size_t first_ = 0;
    std::vector<Weight> weights_;
};

}  // namespace skbtrail::labs
