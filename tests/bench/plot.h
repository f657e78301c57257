// Pictures of the results: what a frame costs, by ring size, burst, frame length and queues.
#pragma once

#include <filesystem>
#include <vector>

#include "tests/bench/results.h"

namespace skbtrail::bench {

/// For each axis of the cells "cost/AXIS/VALUE/DIRECTION" a table, cost-AXIS.tsv, and a plot made
/// of it by gnuplot, cost-AXIS.svg, into `directory`, which is made if need be. Nothing without
/// such cells. Throws std::runtime_error with a sentence when gnuplot or the directory fails.
void plot_costs(const std::vector<CellResult>& results, const std::filesystem::path& directory);

}  // namespace skbtrail::bench
