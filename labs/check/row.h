// The calls of one function, against one list of steps. Part of the matcher.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "labs/check/matcher.h"

namespace skbtrail::labs {

/// A step that was tried at a position and did not fit.
struct Attempt {
    const Pattern* pattern = nullptr;  ///< null: the list was over, and calls were left
    std::size_t position = 0;
    Weight weight = 0;           ///< what had been matched to get there
    std::optional<NodeId> node;  ///< the call that was tried; absent: there was none left
};

class Row {
  public:
    /// With `attempts` every step that does not fit is noted there.
    Row(Matcher& matcher, const PatternList& list, NodeId parent,
        std::vector<Attempt>* attempts = nullptr);

    const std::vector<NodeId>& children() const { return children_; }

    /// Moves the front from the beginning through the whole list.
    Front run();

  private:
    Front run(const PatternList& list, Front front);
    Front advance(const Pattern& pattern, const Front& from);
    Front repeat_call(const Pattern& pattern, const Front& from);
    Front skip_any(const Front& from) const;
    Front choose(const Pattern& pattern, const Front& from);
    Front take_unordered(const Pattern& pattern, const Front& from);
    Front find_below(const Pattern& pattern, const Front& from);
    void note(const Pattern& pattern, std::size_t position, Weight weight);
    void note_below(const Pattern& pattern, NodeId begin, NodeId end, Weight weight);
    NodeId begin_of(std::size_t position) const;

    Matcher& matcher_;
    const PatternList& list_;
    NodeId parent_;
    std::vector<NodeId> children_;
    std::vector<Attempt>* attempts_;
};

}  // namespace skbtrail::labs
