#include "labs/runner/time_stamp_counter.h"

#include <catch2/catch_test_macros.hpp>

namespace skbtrail::labs {
namespace {

TEST_CASE("the time stamp counter's frequency is the same each time") {
    const auto first = measure_time_stamp_counter();
#if defined(__x86_64__)
    const auto second = measure_time_stamp_counter();
    REQUIRE(first);
    REQUIRE(second);
    CHECK(*first > 100'000);  // no x86-64 processor is slower than 100 MHz
    CHECK(*first < 10'000'000);
    const auto difference = *first > *second ? *first - *second : *second - *first;
    CHECK(difference < *first / 1000);
#else
    CHECK_FALSE(first);
#endif
}

}  // namespace
}  // namespace skbtrail::labs
