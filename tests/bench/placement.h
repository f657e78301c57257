// Results apart by where the machine had its two processors.
//
// What a frame costs when two processors share it depends on how far apart they are, by a factor of
// two and more. A virtual machine's host moves them as it likes, every few seconds on a busy one.
// Medians over both places would say which contender was lucky.
#pragma once

#include <string>
#include <vector>

#include "tests/bench/results.h"

namespace skbtrail::bench {

/// How the turns of a benchmark divide by distance.
struct Placements {
    bool two = false;     ///< the machine was seen in two places, not in one
    double limit_ns = 0;  ///< between near and far
};

/// Two places when the longest round trip of all samples took more than twice the shortest.
Placements placements_of(const std::vector<CellResult>& results);

/// The samples that were near before and after their turn, as "NAME near", then those that were
/// far, as "NAME far"; those that moved in between are in neither. A cell without samples of
/// one kind has no such result. Unchanged when there was one place only, and those for which it
/// does not matter.
std::vector<CellResult> by_placement(const std::vector<CellResult>& results);

}  // namespace skbtrail::bench
