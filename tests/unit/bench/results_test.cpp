// Contenders take turns, and what was measured before somebody ends the benchmark is kept.

#include "tests/bench/results.h"

#include <catch2/catch_test_macros.hpp>

using namespace skbtrail::bench;

namespace {

Contender contender(std::string name, double value) {
    return {std::move(name), [value](const Conditions&) {
                Sample sample;
                sample.value = value;
                return sample;
            }};
}

}  // namespace

TEST_CASE("results: who began a round ends the next", "[bench]") {
    const std::vector<Cell> cells{{"cell", "Mpps", true, {contender("a", 1), contender("b", 2)}}};
    std::string order;
    const auto results =
        run_cells(cells, 2, {}, [&](const Cell&, const Contender& one, const Sample&) {
            order += one.name;
            return true;
        });
    CHECK(order == "abba");
    REQUIRE(results.size() == 1);
    CHECK(results[0].series[0].values() == std::vector<double>{1, 1});
    CHECK(results[0].ratio_of_medians() == 0.5);
}

TEST_CASE("results: a turn that is interrupted does not count", "[bench]") {
    const std::vector<Cell> cells{{"cell", "Mpps", true, {contender("a", 1), contender("b", 2)}}};
    unsigned turns = 0;
    const auto results = run_cells(
        cells, 5, {}, [&](const Cell&, const Contender&, const Sample&) { return ++turns < 3; });
    CHECK(turns == 3);
    REQUIRE(results.size() == 1);
    CHECK(results[0].series[0].values() == std::vector<double>{1});
    CHECK(results[0].series[1].values() == std::vector<double>{2});
}
