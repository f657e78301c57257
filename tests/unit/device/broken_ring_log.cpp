// A ring that breaks says why, in a typed word and a sentence, once: in the log, in its state, and
// to the front end.

#include <cstdint>
#include <string>
#include <utility>

#include <catch2/catch_test_macros.hpp>
#include <fmt/format.h>

#include "device/virtqueue/virtqueue.h"
#include "tests/unit/device/log_catcher.h"
#include "tests/unit/device/net_bench.h"

using namespace skbtrail::device;
using namespace skbtrail::device::test;

TEST_CASE("broken ring: every kind of reason is logged, once, with its sentence",
          "[device][ring][hostile]") {
    unsigned kinds = 0;
    for (;; ++kinds) {
        const auto kind = static_cast<RingFaultKind>(kinds);
        const std::string word = to_string(kind);
        if (word == "unknown") {
            break;
        }
        INFO(word);
        EventLoop loop;
        Virtqueue queue(loop, "queue 1 (transmit)", [](Virtqueue::Wake) {});
        TestEvent error;
        must(queue.set_error(error.share()));
        const LogCatcher log;
        queue.fault({kind, fmt::format("what was wrong {}", kinds)});
        const std::string line =
            fmt::format("[error] queue 1 (transmit) stopped, {}: what was wrong {}\n", word, kinds);
        CHECK(log.count(line) == 1);
        CHECK(log.count("\n") == 1);
        REQUIRE(queue.broken_by());
        CHECK(queue.broken_by()->kind == kind);
        CHECK(queue.state() == Virtqueue::State::broken);
        CHECK(error.take() == 1);
    }
    CHECK(kinds == unsigned{static_cast<std::uint8_t>(RingFaultKind::memory_lost)} + 1);
}
