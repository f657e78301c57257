// What is measured: a cell is one question, asked of two or more contenders by turns.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace skbtrail::bench {

/// How long a cache line takes between the two processors and back: see distance.h.
struct Distance {
    double before_ns = 0;
    double after_ns = 0;
};

/// What one turn of one contender gave.
struct Sample {
    /// In the cell's unit. Without a meaning when `missing` says something.
    double value = 0;
    /// Why there is no value: "not negotiated: without packed".
    std::string missing;
    /// Others on the machine took so much of the processors that the value says little.
    bool disturbed = false;
    /// Before the turn, and after it.
    Distance distance;
    /// More of the same turn, by name: percentiles, counts.
    std::map<std::string, double> details;
};

/// Where and how long to measure: the same for all contenders.
struct Conditions {
    std::filesystem::path nic;        ///< the program skbtrail-nic
    std::filesystem::path directory;  ///< for sockets and logs; a short path
    std::chrono::milliseconds window{1000};
    int front_cpu = 0;
    int back_cpu = 1;
    bool realtime = false;  ///< what is measured runs before everything else
};

/// Somebody who can be measured. `run` starts from nothing and leaves nothing running.
struct Contender {
    std::string name;
    std::function<Sample(const Conditions&)> run;
};

struct Cell {
    std::string name;  ///< a path: "pairs/64/split-mergeable/transmit"
    std::string unit;
    bool more_is_better = true;
    /// The first one is compared with the second.
    std::vector<Contender> contenders;
    /// What is measured depends on how far apart the two processors are.
    bool between_processors = true;
};

}  // namespace skbtrail::bench
