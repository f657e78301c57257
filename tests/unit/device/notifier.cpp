// Kicks by pipe and by eventfd.

#include "device/virtqueue/notifier.h"

#include <array>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <fcntl.h>
#include <sys/ioctl.h>

#include "tests/unit/device/guest_ram.h"
#include "tests/unit/device/net_bench.h"

using namespace skbtrail::device;
using namespace skbtrail::device::test;

TEST_CASE("kick pipe: a full one leaves others their turn, and is emptied in several",
          "[device][ring]") {
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) == 0);
    UniqueFd reader(ends[0]);
    const UniqueFd writer(ends[1]);
    const int inside = reader.get();
    constexpr int capacity = 1 << 20;
    REQUIRE(::fcntl(writer.get(), F_SETPIPE_SZ, capacity) >= capacity);
    const std::vector<std::byte> flood(capacity);
    REQUIRE(::write(writer.get(), flood.data(), flood.size()) == capacity);
    const auto left = [inside] {
        int bytes = 0;
        REQUIRE(::ioctl(inside, FIONREAD, &bytes) == 0);
        return bytes;
    };

    EventLoop loop;
    int kicks = 0;
    const KickSource source =
        must(KickSource::watch(std::move(reader), loop, [&kicks] { ++kicks; }));
    loop.turn(std::chrono::milliseconds(0));
    CHECK(kicks == 1);
    CHECK(left() > 0);
    // Others come in between.
    TestEvent other;
    int others = 0;
    const auto watch = loop.add_fd(other.fd(), EPOLLIN, [&](std::uint32_t) {
        ++others;
        other.take();
    });
    other.signal();
    loop.turn(std::chrono::milliseconds(0));
    CHECK(others == 1);
    CHECK(left() > 0);
    while (loop.turn(std::chrono::milliseconds(0))) {
    }
    CHECK(left() == 0);
    const int before = kicks;
    REQUIRE(::write(writer.get(), "x", 1) == 1);
    while (loop.turn(std::chrono::milliseconds(0))) {
    }
    CHECK(kicks == before + 1);
}
