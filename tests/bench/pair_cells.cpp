#include <array>
#include <string_view>

#include <fmt/format.h>

#include "tests/bench/pair.h"
#include "tests/bench/suites.h"

namespace skbtrail::bench {
namespace {

struct NamedMode {
    std::string_view name;
    dpdk::RingMode mode;
};

constexpr std::array modes{
    NamedMode{"split-mergeable", {.packed = false, .mergeable = true, .in_order = false}},
    NamedMode{"split-nonmergeable", {.packed = false, .mergeable = false, .in_order = false}},
    NamedMode{"in-order", {.packed = false, .mergeable = true, .in_order = true}},
    NamedMode{"packed", {.packed = true, .mergeable = true, .in_order = false}},
    NamedMode{"packed-in-order", {.packed = true, .mergeable = true, .in_order = true}},
};

}  // namespace

std::vector<Cell> pair_cells() {
    const std::array traffics{Traffic{.name = "64", .length = 64, .mixed = false},
                              Traffic{.name = "1500", .length = 1500, .mixed = false},
                              Traffic{.name = "imix", .length = 64, .mixed = true}};
    std::vector<Cell> cells;
    for (const Traffic& traffic : traffics) {
        for (const NamedMode& mode : modes) {
            for (const Direction direction :
                 {Direction::transmit, Direction::receive, Direction::reflect}) {
                PairJob job{.back = {.direction = direction,
                                     .traffic = traffic,
                                     .queues = 1,
                                     .burst = 32,
                                     .nic_arguments = {}},
                            .mode = mode.mode,
                            .ring_size = 256,
                            .burst = 32};
                const auto contender = [job](std::string name, StartBackEnd start) {
                    return Contender{std::move(name),
                                     [job, start = std::move(start)](const Conditions& conditions) {
                                         return run_pair(conditions, job, start);
                                     }};
                };
                cells.push_back({.name = fmt::format("pairs/{}/{}/{}", traffic.name, mode.name,
                                                     name_of(direction)),
                                 .unit = "Mpps",
                                 .more_is_better = true,
                                 .contenders = {contender("skbtrail-nic", &start_nic),
                                                contender("net_vhost", &start_vhost)}});
            }
        }
    }
    return cells;
}

}  // namespace skbtrail::bench
