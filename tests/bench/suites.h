// The groups of cells that there are.
#pragma once

#include <vector>

#include "tests/bench/cell.h"

namespace skbtrail::bench {

/// skbtrail-nic against DPDK's net_vhost: "pairs/TRAFFIC/MODE/DIRECTION".
std::vector<Cell> pair_cells();

/// What a NIC without work costs, and how soon it wakes: "idle/…".
std::vector<Cell> idle_cells();

/// What a frame costs, by ring size, burst, frame length and number of queues:
/// "cost/WHAT/HOW MUCH/DIRECTION".
std::vector<Cell> cost_cells();

/// A guest under emulation, iperf3 both ways and ping: skbtrail-nic's nat wire against QEMU's user
/// network, its tap wire against QEMU's tap: "guest/WIRE/WHAT".
std::vector<Cell> guest_cells();

/// The collector against pwru, bpftrace and trace-cmd in one guest: "tracer/WHAT"; and what it
/// costs with more packets, more functions and more processors: "tracer-cost/WHAT/HOW MUCH".
std::vector<Cell> tracer_cells();

/// Throughput with ring events recorded, against without: "events/WHERE/DIRECTION".
std::vector<Cell> event_cells();

}  // namespace skbtrail::bench
