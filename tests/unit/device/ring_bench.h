// A ring of the device's and an honest driver at its other end, for tests of the ring alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "device/virtqueue/ring.h"
#include "tests/unit/device/guest_ram.h"

namespace skbtrail::device::test {

inline constexpr RingFeatures packed_ring_features{
    .indirect = true, .event_idx = true, .packed = true};

/// `Driver`: FakeDriver or FakePackedDriver.
template <typename Driver>
struct RingBench {
    /// `start` is where the ring begins, as SET_VRING_BASE says it; both its halves alike.
    RingBench(std::uint32_t size, RingFeatures features, std::uint16_t start)
        : driver(ram, size, start),
          ring(must(Ring::open(
              ram.mapped(), driver.addresses(), size, features,
              start | (features.packed ? std::uint32_t{start} << 16 : std::uint32_t{0})))) {}

    Chain take() {
        auto chain = must(ring.take());
        REQUIRE(chain);
        return std::move(*chain);
    }
    std::vector<std::byte> content(const Chain& chain) {
        std::vector<std::byte> bytes(chain.readable_bytes());
        CHECK(gather(chain.readable(), 0, bytes) == bytes.size());
        return bytes;
    }
    /// The ring is filled and emptied whole, three times. `when_full` looks at it each time.
    template <typename Look>
    void go_around(std::uint32_t size, Look when_full) {
        const GuestAddress buffer = ram.allocate(1);
        for (int lap = 0; lap < 3; ++lap) {
            for (std::uint32_t i = 0; i < size; ++i) {
                driver.chain().piece({buffer, 1, true}).offer();
            }
            when_full();
            for (std::uint32_t i = 0; i < size; ++i) {
                ring.put_used(take(), 1);
            }
            CHECK_FALSE(must(ring.take()));
            ring.publish();
            std::uint32_t used = 0;
            while (driver.take_used()) {
                ++used;
            }
            CHECK(used == size);
        }
    }

    GuestRam ram;
    Driver driver;
    Ring ring;
};

}  // namespace skbtrail::device::test
