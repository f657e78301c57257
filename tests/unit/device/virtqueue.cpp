// A queue by itself: where it goes on.

#include "device/virtqueue/virtqueue.h"

#include <catch2/catch_test_macros.hpp>

#include "tests/unit/device/back_end.h"

using namespace skbtrail::device;
using namespace skbtrail::device::test;

TEST_CASE("virtqueue: a chain that was never returned is not taken again after a stop",
          "[device][ring]") {
    GuestRam ram;
    FakeDriver driver(ram, 8);
    QueueEvents events;
    EventLoop loop;
    Virtqueue queue(loop, "queue", [](Virtqueue::Wake) {});
    const auto start = [&](std::uint32_t base) {
        must(queue.set_base(base));
        must(queue.set_kick(UniqueFd(::dup(events.kick.fd()))));
        REQUIRE(queue.ring() != nullptr);
    };
    queue.set_memory(ram.mapped());
    must(queue.set_size(8));
    must(queue.set_addresses(driver.addresses()));
    start(0);
    const auto lost = driver.chain().readable(pattern(60)).offer();
    const auto returned = driver.chain().readable(pattern(60)).offer();
    CHECK(must(queue.ring()->take())->head() == lost.head);
    queue.ring()->put_used(std::move(*must(queue.ring()->take())), 0);
    queue.ring()->publish();
    REQUIRE(driver.take_used()->head == returned.head);

    const std::uint32_t base = queue.stop();
    CHECK(base == 2);
    SECTION("when the front end says where it was") {
        start(base);
        CHECK(queue.ring()->base() == 2);
        CHECK_FALSE(must(queue.ring()->take()));
    }
    SECTION("but the ring is believed when the front end says something else") {
        start(0);
        CHECK(queue.ring()->base() == 1);
    }
}
