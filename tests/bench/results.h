// What came of the cells, and how it is summed up.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/bench/cell.h"

namespace skbtrail::bench {

/// All turns of one contender.
struct Series {
    std::string contender;
    std::vector<Sample> samples;

    /// The values of the turns that gave one.
    std::vector<double> values() const;
    std::optional<double> median() const;
    std::optional<double> best(bool more_is_better) const;
    /// Medians of what the samples say besides their value.
    std::map<std::string, double> details() const;
    std::size_t disturbed() const;
    /// Why turns gave none: the last reason.
    std::string missing() const;
};

struct CellResult {
    std::string name;
    std::string unit;
    bool more_is_better = true;
    std::vector<Series> series;
    bool between_processors = true;  ///< as the cell says

    /// The first contender against the second, so that more than 1 is better for the first. None
    /// when either has no value.
    std::optional<double> ratio_of_medians() const;
    std::optional<double> ratio_of_bests() const;
};

/// The middle of `values`; of an even number the mean of the two in the middle.
double median_of(std::vector<double> values);

/// Runs `rounds` rounds of each cell. Within a round the contenders follow each other directly,
/// and the one that began begins the next round last, so that a slow change of the machine
/// touches all alike. `progress` is told after each turn, and returns whether to go on: if not,
/// that turn does not count, and the results are those of the turns before it.
std::vector<CellResult> run_cells(
    const std::vector<Cell>& cells, unsigned rounds, const Conditions& conditions,
    const std::function<bool(const Cell&, const Contender&, const Sample&)>& progress);

}  // namespace skbtrail::bench
