// The results for people and for programs.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "tests/bench/placement.h"
#include "tests/bench/results.h"

namespace skbtrail::bench {

/// A table, a line a cell: median and best of each contender, their ratios, what was missing.
std::string table_of(const std::vector<CellResult>& results);

/// Everything, every sample included.
nlohmann::json json_of(const std::vector<CellResult>& results);

/// A sentence, when there were two places; else empty.
std::string describe(const Placements& placements);

/// A sample in a few words: "5.123 Mpps (round trip 91, 95 ns)", "not negotiated: …".
std::string describe(const Sample& sample, const std::string& unit);

}  // namespace skbtrail::bench
