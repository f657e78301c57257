// Warnings that can come without end.

#include "device/log_limit.h"

#include <catch2/catch_test_macros.hpp>
#include <fmt/format.h>

#include "tests/unit/device/log_catcher.h"

using namespace skbtrail::device;
using namespace skbtrail::device::test;
using namespace std::chrono_literals;

TEST_CASE("log limit: the first of each minute, and how many more", "[device][log]") {
    LogCatcher log;
    const auto start = LogLimit::Clock::now();
    {
        LogLimit limit("nat");
        for (int i = 0; i < 1000; ++i) {
            limit.warn(fmt::format("wrong {}", i), start + i * 1ms);
        }
        CHECK(log.count("nat: wrong ") == LogLimit::most);
        CHECK(log.count("nat: wrong 9 (others like it") == 1);
        CHECK(log.count("more") == 0);
        // The next minute begins with what the last one kept back.
        limit.warn("late", start + 61s);
        CHECK(log.count("nat: and 990 more") == 1);
        CHECK(log.text().find("and 990 more") < log.text().find("nat: late"));
        for (int i = 0; i < 11; ++i) {
            limit.warn("again", start + 62s);
        }
        CHECK(log.count("again") == LogLimit::most - 1);
    }
    CHECK(log.count("nat: and 2 more") == 1);
}

TEST_CASE("log limit: few are all told", "[device][log]") {
    LogCatcher log;
    {
        LogLimit limit("nat");
        limit.warn("one");
        limit.warn("two");
    }
    CHECK(log.count("nat: ") == 2);
    CHECK(log.count("more") == 0);
}

TEST_CASE("log limit: warnings that come slowly are all told", "[device][log]") {
    LogCatcher log;
    LogLimit limit("nat");
    const auto start = LogLimit::Clock::now();
    for (int i = 0; i < 30; ++i) {
        limit.warn("slow", start + i * 7s);
    }
    CHECK(log.count("slow") == 30);
}
