// Where two processors are decides what a frame costs: turns are compared with turns of their kind.

#include "tests/bench/placement.h"

#include <system_error>

#include <catch2/catch_test_macros.hpp>
#include <sched.h>

#include "tests/bench/distance.h"

using namespace skbtrail::bench;

namespace {

Sample sample(double value, double before_ns, double after_ns) {
    Sample made;
    made.value = value;
    made.distance = {before_ns, after_ns};
    return made;
}

CellResult cell(std::vector<Sample> ours, std::vector<Sample> theirs) {
    return {"pairs/64", "Mpps", true, {{"ours", std::move(ours)}, {"theirs", std::move(theirs)}}};
}

}  // namespace

TEST_CASE("placement: one place is left as it is", "[bench]") {
    const std::vector<CellResult> results{cell({sample(10, 90, 120)}, {sample(9, 110, 100)})};
    CHECK_FALSE(placements_of(results).two);
    const auto parts = by_placement(results);
    REQUIRE(parts.size() == 1);
    CHECK(parts[0].name == "pairs/64");
    CHECK(parts[0].series[0].samples.size() == 1);
}

TEST_CASE("placement: near is compared with near, far with far", "[bench]") {
    // Over all turns the first contender would look half as fast, because it was far more often.
    const std::vector<CellResult> results{
        cell({sample(40, 90, 95), sample(20, 450, 470), sample(20, 455, 440), sample(30, 90, 450)},
             {sample(30, 85, 100), sample(30, 90, 91), sample(16, 430, 450)})};
    CHECK(placements_of(results).two);
    const auto parts = by_placement(results);
    REQUIRE(parts.size() == 2);
    CHECK(parts[0].name == "pairs/64 near");
    CHECK(parts[0].ratio_of_medians() == 40.0 / 30);
    CHECK(parts[1].name == "pairs/64 far");
    CHECK(parts[1].ratio_of_medians() == 20.0 / 16);
    // The turn during which they moved is in neither.
    CHECK(parts[0].series[0].samples.size() == 1);
    CHECK(parts[1].series[0].samples.size() == 2);
}

TEST_CASE("placement: a cell that was only ever near has no far part", "[bench]") {
    const std::vector<CellResult> results{cell({sample(40, 90, 95)}, {sample(30, 85, 100)}),
                                          cell({sample(20, 450, 470)}, {sample(30, 85, 100)})};
    const auto parts = by_placement(results);
    REQUIRE(parts.size() == 3);
    CHECK(parts[0].name == "pairs/64 near");
    CHECK(parts[1].name == "pairs/64 near");
    CHECK_FALSE(parts[1].ratio_of_medians());
    CHECK(parts[2].name == "pairs/64 far");
    CHECK_FALSE(parts[2].ratio_of_medians());
}

TEST_CASE("placement: a cell for which it does not matter stays whole, and decides nothing",
          "[bench]") {
    auto whole = cell({sample(40, 90, 450), sample(20, 450, 470)}, {sample(30, 85, 100)});
    whole.between_processors = false;
    CHECK_FALSE(placements_of({whole}).two);
    const auto parts = by_placement({whole, cell({sample(40, 90, 95)}, {sample(16, 430, 450)})});
    REQUIRE(parts.size() == 3);
    CHECK(parts[0].name == "pairs/64");
    CHECK(parts[0].series[0].samples.size() == 2);
}

TEST_CASE("distance: a processor that is not there is an error", "[bench]") {
    CHECK_THROWS_AS(round_trip_ns(0, CPU_SETSIZE - 1), std::system_error);
    CHECK_THROWS_AS(round_trip_ns(CPU_SETSIZE - 1, 0), std::system_error);
}
