// For which chains a driver had to kick: what a ring works out from what it asked for.

#include <array>
#include <cstdint>
#include <utility>

#include <catch2/catch_test_macros.hpp>

#include "device/virtqueue/ring.h"
#include "tests/unit/device/fake_driver.h"
#include "tests/unit/device/fake_packed_driver.h"
#include "tests/unit/device/ring_bench.h"

using namespace skbtrail::device;
using namespace skbtrail::device::test;

namespace {

constexpr RingFeatures split_features{.indirect = true, .event_idx = true};

template <typename Driver>
struct KickBench : RingBench<Driver> {
    KickBench(std::uint32_t size, RingFeatures features, std::uint16_t start)
        : RingBench<Driver>(size, features, start) {
        this->ring.watch_kicks();
    }
    /// The next chain, lent for good; its buffers' bytes.
    std::uint32_t take() {
        const Chain chain = RingBench<Driver>::take();
        return chain.readable_bytes() + chain.writable_bytes();
    }
};

struct SplitKickBench : KickBench<FakeDriver> {
    explicit SplitKickBench(RingFeatures features) : KickBench(8, features, 0) {}
};
struct PackedKickBench : KickBench<FakePackedDriver> {
    explicit PackedKickBench(std::uint32_t size, RingFeatures features = packed_ring_features,
                             std::uint16_t start = 0x8000)
        : KickBench(size, features, start) {}
};

}  // namespace

TEST_CASE("ring: for which chains the driver had to kick", "[device][ring][notify]") {
    SECTION("by EVENT_IDX") {
        SplitKickBench bench(split_features);
        CHECK_FALSE(bench.ring.decide_kick().pending);
        CHECK_FALSE(must(bench.ring.ask_for_kicks()));
        bench.driver.chain().readable(pattern(1)).offer();
        CHECK(bench.take() == 1);
        KickDecision decision = bench.ring.decide_kick();
        CHECK(decision.pending);
        CHECK(decision.wanted);
        CHECK(decision.by_event);
        CHECK_FALSE(bench.ring.decide_kick().pending);  // once is enough
        bench.driver.chain().readable(pattern(1)).offer();
        bench.driver.chain().readable(pattern(1)).offer();
        CHECK(bench.take() == 1);
        decision = bench.ring.decide_kick();
        CHECK(decision.pending);
        CHECK_FALSE(decision.wanted);
        CHECK(decision.before == 1);
        CHECK(decision.now == 3);
        CHECK(decision.event == 0);
        bench.driver.chain().readable(pattern(1)).offer();
        CHECK(must(bench.ring.ask_for_kicks()));
        CHECK_FALSE(bench.ring.decide_kick().pending);  // the driver may have read either wish
    }
    SECTION("by the flag") {
        SplitKickBench bench({});
        bench.driver.chain().readable(pattern(1)).offer();
        bench.ring.refuse_kicks();
        CHECK(bench.take() == 1);
        CHECK_FALSE(bench.ring.decide_kick().pending);  // it was kicked for before
        bench.driver.chain().readable(pattern(1)).offer();
        CHECK(bench.take() == 1);
        const KickDecision decision = bench.ring.decide_kick();
        CHECK(decision.pending);
        CHECK_FALSE(decision.wanted);
        CHECK_FALSE(decision.by_event);
        CHECK(decision.before == 1);
        CHECK(decision.now == 2);
        CHECK_FALSE(must(bench.ring.ask_for_kicks()));
        bench.driver.chain().readable(pattern(1)).offer();
        CHECK(bench.take() == 1);
        CHECK(bench.ring.decide_kick().wanted);
    }
}

TEST_CASE("packed ring: for which chains the driver had to kick",
          "[device][ring][packed][notify]") {
    SECTION("at a descriptor, and across the end") {
        PackedKickBench bench(4, packed_ring_features, 0x8002);
        CHECK_FALSE(must(bench.ring.ask_for_kicks()));
        bench.driver.chain().writable(1).offer();
        CHECK(bench.take() == 1);
        KickDecision decision = bench.ring.decide_kick();
        CHECK(decision.pending);
        CHECK(decision.wanted);
        CHECK_FALSE(bench.ring.decide_kick().pending);
        bench.driver.chain().writable(1).writable(1).offer();
        CHECK(bench.take() == 2);
        decision = bench.ring.decide_kick();
        CHECK(decision.pending);
        CHECK_FALSE(decision.wanted);
        CHECK(decision.by_event);
        CHECK(decision.packed);
        CHECK(decision.before == 0x8003);
        CHECK(decision.now == 0x0001);
        CHECK(decision.event == 0x8002);
        bench.driver.chain().writable(1).offer();
        CHECK(must(bench.ring.ask_for_kicks()));
        CHECK_FALSE(bench.ring.decide_kick().pending);  // the driver may have read either wish
    }
    SECTION("with the flag") {
        PackedKickBench bench(8, {.indirect = true, .packed = true});
        bench.driver.chain().writable(1).offer();
        bench.ring.refuse_kicks();
        Chain chain = std::move(must(bench.ring.take()).value());
        CHECK_FALSE(bench.ring.decide_kick().pending);  // it was kicked for before
        bench.ring.put_back(std::move(chain));
        CHECK_FALSE(bench.ring.decide_kick().pending);
        bench.driver.chain().writable(1).offer();
        bench.driver.chain().writable(1).offer();
        CHECK(bench.take() == 1);
        const KickDecision decision = bench.ring.decide_kick();
        CHECK(decision.pending);
        CHECK_FALSE(decision.wanted);
        CHECK_FALSE(decision.by_event);
        CHECK(decision.before == 0x8001);
        CHECK(decision.now == 0x8003);            // though not all of that is taken yet
        CHECK(must(bench.ring.ask_for_kicks()));  // two are there
        bench.driver.chain().writable(1).offer();
        CHECK(bench.ring.decide_kick().wanted);
    }
    SECTION("a ring that is taken and offered whole, lap after lap") {
        PackedKickBench bench(3);
        bench.ring.refuse_kicks();
        for (int lap = 0; lap < 5; ++lap) {
            for (int i = 0; i < 3; ++i) {
                bench.driver.chain().writable(1).offer();
            }
            std::array<Chain, 3> chains;
            REQUIRE(must(bench.ring.take_burst(chains)) == 3);
            const KickDecision decision = bench.ring.decide_kick();
            CHECK(decision.pending);
            CHECK_FALSE(decision.wanted);
            CHECK((decision.before ^ decision.now) == 0x8000);
            for (Chain& chain : chains) {
                bench.ring.put_used(std::move(chain), 1);
            }
            bench.ring.publish();
            for (int i = 0; i < 3; ++i) {
                REQUIRE(bench.driver.take_used());
            }
        }
    }
}
