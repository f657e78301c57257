// Which pictures the results give: what a frame costs the NIC, and a packet the collector, as one
// thing grows.
#pragma once

#include <vector>

#include "tests/bench/plot.h"
#include "tests/bench/results.h"

namespace skbtrail::bench {

/// One for each axis of the cells "cost/AXIS/VALUE/DIRECTION" (cost-AXIS) and
/// "tracer-cost/AXIS/NAME" (tracer-cost-AXIS), in which the samples' detail "place" is the value.
std::vector<Picture> pictures_of(const std::vector<CellResult>& results);

}  // namespace skbtrail::bench
