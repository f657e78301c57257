// What one frame costs the back end: processor time, which does not count what others kept it
// waiting for, with everything usual but one thing.

#include <array>
#include <functional>
#include <span>
#include <string>

#include <fmt/format.h>

#include "tests/bench/pair.h"
#include "tests/bench/suites.h"

namespace skbtrail::bench {
namespace {

struct CostAxis {
    const char* name;
    std::span<const unsigned> values;
    void (*set)(PairJob&, unsigned);
};

constexpr std::array ring_sizes{64U, 256U, 1024U, 4096U};
constexpr std::array bursts{1U, 4U, 16U, 32U, 64U, 128U};
constexpr std::array lengths{64U, 128U, 256U, 512U, 1024U, 1514U};
constexpr std::array queues{1U, 2U, 4U, 8U};

const std::array cost_axes{
    CostAxis{"ring-size", ring_sizes, [](PairJob& job, unsigned value) { job.ring_size = value; }},
    CostAxis{"burst", bursts,
             [](PairJob& job, unsigned value) {
                 job.burst = value;
                 job.back.burst = value;
             }},
    CostAxis{"frame-length", lengths,
             [](PairJob& job, unsigned value) { job.back.traffic.length = value; }},
    CostAxis{"queues", queues, [](PairJob& job, unsigned value) { job.back.queues = value; }},
};

Sample cost_of(const Conditions& conditions, const PairJob& job, const StartBackEnd& start) {
    Sample sample = run_pair(conditions, job, start);
    if (sample.missing.empty()) {
        sample.details["Mpps"] = sample.value;
        sample.value = sample.details.at("processor_ns");
    }
    return sample;
}

}  // namespace

std::vector<Cell> cost_cells() {
    std::vector<Cell> cells;
    for (const CostAxis& axis : cost_axes) {
        for (const unsigned value : axis.values) {
            for (const Direction direction : {Direction::transmit, Direction::receive}) {
                PairJob job;
                job.back.direction = direction;
                axis.set(job, value);
                const auto contender = [job](std::string name, StartBackEnd start) {
                    return Contender{std::move(name),
                                     [job, start = std::move(start)](const Conditions& conditions) {
                                         return cost_of(conditions, job, start);
                                     }};
                };
                cells.push_back(
                    {.name = fmt::format("cost/{}/{}/{}", axis.name, value, name_of(direction)),
                     .unit = "ns/frame",
                     .more_is_better = false,
                     .contenders = {contender("skbtrail-nic", &start_nic),
                                    contender("net_vhost", &start_vhost)}});
            }
        }
    }
    return cells;
}

}  // namespace skbtrail::bench
