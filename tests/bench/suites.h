// The groups of cells that there are.
#pragma once

#include <vector>

#include "tests/bench/cell.h"

namespace skbtrail::bench {

/// skbtrail-nic against DPDK's net_vhost: "pairs/TRAFFIC/MODE/DIRECTION".
std::vector<Cell> pair_cells();

/// What a NIC without work costs, and how soon it wakes: "idle/…".
std::vector<Cell> idle_cells();

}  // namespace skbtrail::bench
