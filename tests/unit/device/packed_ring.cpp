// The packed ring against an honest driver.

#include <array>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "device/virtqueue/ring.h"
#include "tests/unit/device/fake_packed_driver.h"
#include "tests/unit/device/ring_bench.h"

using namespace skbtrail::device;
using namespace skbtrail::device::test;

namespace {

struct PackedRingBench : RingBench<FakePackedDriver> {
    explicit PackedRingBench(std::uint32_t size = 8, RingFeatures features = packed_ring_features,
                             std::uint16_t start = 0x8000)
        : RingBench(size, features, start) {
        driver.in_order = features.in_order;
    }
};

}  // namespace

TEST_CASE("packed ring: places", "[device][ring][packed]") {
    PackedPlace place;
    CHECK(place.encode() == 0x8000);
    place.advance(4, 5);
    CHECK(place == PackedPlace{4, true});
    place.advance(3, 5);
    CHECK(place == PackedPlace{2, false});
    place.advance(5, 5);
    CHECK(place == PackedPlace{2, true});
    place.retreat(3, 5);
    CHECK(place == PackedPlace{4, false});
    place.retreat(4, 5);
    CHECK(place == PackedPlace{0, false});
    CHECK(PackedPlace::decode(0x8003) == PackedPlace{3, true});
    // Every distance that there is, in a ring of an odd size.
    for (std::uint32_t from = 0; from < 14; ++from) {
        for (std::uint32_t steps = 0; steps < 14; ++steps) {
            PackedPlace a;
            for (std::uint32_t i = 0; i < from; ++i) {
                a.advance(1, 7);
            }
            PackedPlace b = a;
            for (std::uint32_t i = 0; i < steps; ++i) {
                b.advance(1, 7);
            }
            REQUIRE(a.distance_to(b, 7) == steps);
        }
    }
}

TEST_CASE("packed ring: a chain goes out and comes back", "[device][ring][packed]") {
    const bool indirect = GENERATE(false, true);
    PackedRingBench bench;
    CHECK_FALSE(must(bench.ring.take()));

    auto builder = bench.driver.chain();
    builder.readable(pattern(10)).readable(pattern(5, 9)).writable(100);
    const auto offered = indirect ? builder.indirect().offer() : builder.offer();
    CHECK(must(bench.ring.waiting()) == 1);

    Chain chain = bench.take();
    CHECK(chain.head() == offered.head);
    CHECK(chain.available_index() == 0x8000);
    CHECK(chain.readable_bytes() == 15);
    CHECK(chain.writable_bytes() == 100);
    REQUIRE(chain.descriptors().size() == 3);
    CHECK(chain.descriptors()[1].address == offered.pieces[1].address);
    CHECK_FALSE(chain.descriptors()[1].device_writable);
    CHECK(chain.descriptors()[2].device_writable);
    auto expected = pattern(10);
    for (const std::byte byte : pattern(5, 9)) {
        expected.push_back(byte);
    }
    CHECK(bench.content(chain) == expected);

    bench.ring.put_used(std::move(chain), 23);
    CHECK_FALSE(bench.driver.take_used());  // not published yet
    bench.ring.publish();
    const auto used = bench.driver.take_used();
    REQUIRE(used);
    CHECK(used->head == offered.head);
    CHECK(used->length == 23);
    CHECK(bench.driver.last_used_writes);
    CHECK_FALSE(must(bench.ring.take()));
    const std::uint32_t place = indirect ? 0x8001 : 0x8003;
    CHECK(bench.ring.base() == (place | place << 16));
    CHECK(bench.ring.next_used() == place);
}

TEST_CASE("packed ring: any size, lap after lap", "[device][ring][packed]") {
    const std::uint32_t size = GENERATE(1u, 2u, 3u, 7u, 8u, 100u, 257u);
    const unsigned pieces = GENERATE(1u, 2u, 3u);
    if (pieces > size) {
        return;
    }
    PackedRingBench bench(size);
    for (unsigned round = 0; round < 3 * size + 5; ++round) {
        auto builder = bench.driver.chain();
        for (unsigned i = 0; i < pieces; ++i) {
            builder.readable(pattern(3, round + i));
        }
        const PackedPlace place = bench.driver.next();
        const auto offered = builder.offer();
        Chain chain = bench.take();
        CHECK(chain.available_index() == place.encode());
        REQUIRE(chain.readable_bytes() == 3 * pieces);
        CHECK(bench.content(chain)[3 * (pieces - 1)] == pattern(3, round + pieces - 1)[0]);
        bench.ring.put_used(std::move(chain), 0);
        bench.ring.publish();
        const auto used = bench.driver.take_used();
        REQUIRE(used);
        CHECK(used->head == offered.head);
        CHECK_FALSE(bench.driver.last_used_writes);
        CHECK_FALSE(must(bench.ring.take()));
    }
    CHECK(bench.ring.next_used() == bench.driver.next_used().encode());
}

TEST_CASE("packed ring: the largest that there may be goes around", "[device][ring][packed]") {
    const std::uint32_t size = GENERATE(max_ring_size, max_ring_size - 1);
    PackedRingBench bench(size);
    bench.go_around(size, [] {});
}

TEST_CASE("packed ring: its parts may lie in different regions", "[device][ring][packed]") {
    GuestRam ram({{0x100000, 0x1000}, {0x900000, 0x1000}, {0x500000, 0x1000}});
    ram.spread();
    FakePackedDriver driver(ram, 7);
    Ring ring =
        must(Ring::open(ram.mapped(), driver.addresses(), 7, packed_ring_features, 0x80008000));
    for (unsigned lap = 0; lap < 20; ++lap) {
        const auto offered = driver.chain().readable(pattern(5, lap)).offer();
        auto chain = must(ring.take());
        REQUIRE(chain);
        std::vector<std::byte> read(5);
        CHECK(gather(chain->readable(), 0, read) == 5);
        CHECK(read == pattern(5, lap));
        ring.put_used(std::move(*chain), 0);
        ring.publish();
        CHECK(driver.take_used()->head == offered.head);
        // What the device says of kicks is where the driver looks.
        must(ring.ask_for_kicks());
        CHECK(driver.wants_kick(driver.next()));
    }
}

TEST_CASE("packed ring: a full ring is taken whole, and used in another order",
          "[device][ring][packed]") {
    PackedRingBench bench(7);
    std::vector<std::uint16_t> ids;
    for (int i = 0; i < 7; ++i) {
        ids.push_back(bench.driver.chain().writable(10).offer().head);
    }
    CHECK(must(bench.ring.waiting()) == 7);
    std::array<Chain, 32> chains;
    REQUIRE(must(bench.ring.take_burst(chains)) == 7);
    CHECK(must(bench.ring.waiting()) == 0);
    CHECK(must(bench.ring.take_burst(std::span(chains).subspan(7))) == 0);
    for (const std::size_t i : {3, 0, 6, 1, 2, 5, 4}) {
        bench.ring.put_used(std::move(chains[i]), static_cast<std::uint32_t>(i + 1));
    }
    CHECK_FALSE(bench.driver.take_used());  // the first is shown last
    bench.ring.publish();
    for (const std::size_t i : {3, 0, 6, 1, 2, 5, 4}) {
        const auto used = bench.driver.take_used();
        REQUIRE(used);
        CHECK(used->head == ids[i]);
        CHECK(used->length == i + 1);
    }
    CHECK_FALSE(bench.driver.take_used());
}

TEST_CASE("packed ring: chains that are put back are offered again", "[device][ring][packed]") {
    PackedRingBench bench(5, packed_ring_features, 0x8003);
    const auto first = bench.driver.chain().writable(10).writable(10).offer();
    const auto second = bench.driver.chain().writable(20).writable(1).offer();
    for (int round = 0; round < 3; ++round) {
        Chain a = bench.take();
        Chain b = bench.take();
        CHECK(a.head() == first.head);
        CHECK(b.head() == second.head);
        CHECK(b.available_index() == 0);  // a lap on
        bench.ring.put_back(std::move(b));
        bench.ring.put_back(std::move(a));
        CHECK(bench.ring.base() == 0x80038003);
    }
}

TEST_CASE("packed ring: direct descriptors may end in an indirect table",
          "[device][ring][packed]") {
    PackedRingBench bench;
    const GuestAddress buffer = bench.ram.allocate(16);
    const GuestAddress table = bench.ram.allocate(32);
    // NEXT in a table means nothing; its length is the chain's.
    const std::array<PackedDescriptor, 2> entries{
        {{buffer.value, 6, 99, descriptor_next}, {buffer.value, 7, 98, descriptor_write}}};
    bench.ram.put(table, std::as_bytes(std::span(entries)));
    // WRITE on the descriptor of a table is ignored.
    bench.driver.set_descriptor(
        1, {table.value, 32, 5,
            FakePackedDriver::available_flags(true, descriptor_indirect | descriptor_write)});
    bench.driver.set_descriptor(
        0, {buffer.value, 4, 7, FakePackedDriver::available_flags(true, descriptor_next)});
    const Chain chain = bench.take();
    CHECK(chain.head() == 5);
    REQUIRE(chain.descriptors().size() == 3);
    CHECK(chain.readable_bytes() == 10);
    CHECK(chain.writable_bytes() == 7);
    CHECK(chain.descriptors()[0].next);
    CHECK(chain.descriptors()[1].next);  // as it stands there
    CHECK_FALSE(chain.descriptors()[2].next);
    REQUIRE(chain.in_table() == 2);
    CHECK(chain.table().address.value == table.value);
    CHECK(chain.table().length == 32);
}

TEST_CASE("packed ring: goes on where it was stopped", "[device][ring][packed]") {
    PackedRingBench bench(5);
    for (int i = 0; i < 4; ++i) {
        bench.driver.chain().readable(pattern(4)).offer();
    }
    const Chain kept = bench.take();  // never returned: its place stays taken
    bench.ring.put_used(bench.take(), 0);
    bench.ring.publish();
    CHECK(kept.available_index() == 0x8000);
    CHECK(bench.ring.base() == 0x80018002);
    Ring again = must(Ring::open(bench.ram.mapped(), bench.driver.addresses(), 5,
                                 packed_ring_features, bench.ring.base()));
    CHECK(must(again.waiting()) == 2);
    CHECK(must(again.take())->available_index() == 0x8002);
    CHECK(again.next_used() == 0x8001);

    SECTION("a front end that says nothing about the used half") {
        Ring other = must(Ring::open(bench.ram.mapped(), bench.driver.addresses(), 5,
                                     packed_ring_features, 0x8002));
        CHECK(other.next_used() == 0x8002);
    }
    SECTION("bases that no ring has") {
        for (const std::uint32_t base :
             {0x80058005u, 0x80008005u, 0x80058000u, 0x00018003u, 0xffffffffu}) {
            const auto ring = Ring::open(bench.ram.mapped(), bench.driver.addresses(), 5,
                                         packed_ring_features, base);
            REQUIRE_FALSE(ring);
            CHECK(ring.error().kind == RingFaultKind::bad_base);
        }
    }
}

TEST_CASE("packed ring: in order, one used descriptor returns a batch", "[device][ring][packed]") {
    RingFeatures features = packed_ring_features;
    features.in_order = true;
    PackedRingBench bench(7, features);
    for (int lap = 0; lap < 5; ++lap) {
        std::vector<std::uint16_t> ids;
        for (int i = 0; i < 3; ++i) {
            ids.push_back(
                bench.driver.chain().readable(pattern(4)).readable(pattern(4)).offer().head);
        }
        std::array<Chain, 8> chains;
        REQUIRE(must(bench.ring.take_burst(chains)) == 3);
        for (int i = 0; i < 3; ++i) {
            bench.ring.put_used(std::move(chains[static_cast<std::size_t>(i)]), 0);
        }
        CHECK_FALSE(bench.driver.take_used());
        bench.ring.publish();
        const std::size_t before = bench.driver.used_descriptors;
        for (const std::uint16_t id : ids) {
            const auto used = bench.driver.take_used();
            REQUIRE(used);
            CHECK(used->head == id);
        }
        CHECK(bench.driver.used_descriptors == before + 1);
        CHECK_FALSE(bench.driver.take_used());
    }
    SECTION("what the device writes to is returned one by one, with its length") {
        bench.driver.chain().writable(10).offer();
        bench.driver.chain().writable(10).offer();
        std::array<Chain, 8> chains;
        REQUIRE(must(bench.ring.take_burst(chains)) == 2);
        bench.ring.put_used(std::move(chains[0]), 10);
        bench.ring.put_used(std::move(chains[1]), 9);
        bench.ring.publish();
        CHECK(bench.driver.take_used()->length == 10);
        CHECK(bench.driver.take_used()->length == 9);
    }
}

TEST_CASE("packed ring: kicks are asked for and refused", "[device][ring][packed][notify]") {
    SECTION("with the flag") {
        PackedRingBench bench(8, {.indirect = true, .packed = true});
        bench.ring.refuse_kicks();
        CHECK(bench.driver.device_event_flags() == event_disable);
        CHECK_FALSE(must(bench.ring.ask_for_kicks()));
        CHECK(bench.driver.device_event_flags() == event_enable);
        bench.driver.chain().writable(1).offer();
        CHECK(must(bench.ring.ask_for_kicks()));
    }
    SECTION("at a descriptor") {
        PackedRingBench bench(3, packed_ring_features, 0x8002);
        CHECK_FALSE(must(bench.ring.ask_for_kicks()));
        CHECK(bench.driver.wants_kick(bench.driver.next()));
        bench.driver.chain().writable(1).offer();
        CHECK_FALSE(bench.driver.wants_kick(bench.driver.next()));
        CHECK(must(bench.ring.ask_for_kicks()));
        bench.ring.put_used(bench.take(), 0);
        CHECK_FALSE(must(bench.ring.ask_for_kicks()));
        CHECK(bench.driver.wants_kick(bench.driver.next()));
        CHECK(bench.driver.device_event_descriptor() == 0);  // index 0, wrap counter 0
    }
    SECTION("with chains that were seen and are too few") {
        PackedRingBench bench;
        bench.driver.chain().writable(1).writable(1).offer();
        bench.ring.put_back(bench.take());
        CHECK_FALSE(must(bench.ring.ask_for_kicks()));
        CHECK(bench.driver.wants_kick(bench.driver.next()));
        bench.ring.put_used(bench.take(), 0);
        CHECK_FALSE(must(bench.ring.ask_for_kicks()));
        CHECK(bench.driver.wants_kick(bench.driver.next()));
    }
}

TEST_CASE("packed ring: calls as the driver asks", "[device][ring][packed][notify]") {
    PackedRingBench bench(6);
    const auto complete = [&](int count) {
        for (int i = 0; i < count; ++i) {
            bench.driver.chain().writable(1).offer();
            bench.ring.put_used(bench.take(), 0);
        }
        bench.ring.publish();
        while (bench.driver.take_used()) {
        }
        return bench.ring.decide_call();
    };
    CHECK_FALSE(bench.ring.decide_call().pending);
    SECTION("by the flag") {
        bench.driver.set_driver_event(event_enable);
        CHECK(complete(1).wanted);
        bench.driver.set_driver_event(event_disable);
        CHECK_FALSE(complete(1).wanted);
        CHECK_FALSE(bench.ring.decide_call().pending);
    }
    SECTION("by the descriptor, whatever lap it is in") {
        bench.driver.set_driver_event(event_descriptor, 0x8004);
        const auto first = complete(1);
        CHECK(first.wanted);
        CHECK(first.first);
        for (int lap = 0; lap < 4; ++lap) {
            PackedPlace event = bench.driver.next();
            event.advance(4, 6);
            bench.driver.set_driver_event(event_descriptor, event.encode());
            CHECK_FALSE(complete(1).wanted);
            CHECK_FALSE(complete(3).wanted);  // used is at the event now, which is to be passed
            const auto passed = complete(1);
            CHECK(passed.wanted);
            CHECK(passed.by_event);
            CHECK(passed.packed);
            CHECK(passed.event == event.encode());
            CHECK(passed.before == event.encode());
            CHECK_FALSE(complete(1).wanted);
        }
        SECTION("one in the middle of a batch") {
            PackedPlace event = bench.driver.next();
            event.advance(2, 6);
            bench.driver.set_driver_event(event_descriptor, event.encode());
            CHECK(complete(4).wanted);
        }
        SECTION("one that the ring does not have: better once too often") {
            bench.driver.set_driver_event(event_descriptor, 6);
            CHECK(complete(1).wanted);
        }
    }
}

TEST_CASE("packed ring: a buffer that touches two regions", "[device][ring][packed]") {
    GuestRam ram({{0x100000, 0x10000}, {0x110000, 0x10000}});
    FakePackedDriver driver(ram, 8);
    Ring ring = must(Ring::open(ram.mapped(), driver.addresses(), 8, packed_ring_features,
                                PackedRing::initial_base));
    const GuestAddress seam{0x110000 - 6};
    driver.chain().piece({seam, 10, true}).offer();
    auto chain = must(ring.take());
    REQUIRE(chain);
    CHECK(chain->writable().size() == 2);
    CHECK(scatter(chain->writable(), 0, pattern(10)) == 10);
    CHECK(ram.bytes(seam, 6) == pattern(6));
}

TEST_CASE("packed ring: a base of 0 is the second lap, or a front end that knows no wrap counters",
          "[device][ring][packed]") {
    GuestRam ram;
    const auto open = [&](const FakePackedDriver& driver, std::uint32_t size) {
        return must(Ring::open(ram.mapped(), driver.addresses(), size, {.packed = true}, 0));
    };
    SECTION("nothing was offered yet") {
        FakePackedDriver driver(ram, 4);
        Ring ring = open(driver, 4);
        CHECK(ring.base() == PackedRing::initial_base);
        const auto offered = driver.chain().readable(pattern(10)).offer();
        CHECK(must(ring.take())->head() == offered.head);
    }
    SECTION("some, or all, was offered") {
        FakePackedDriver driver(ram, 4);
        const auto first = driver.chain().readable(pattern(10)).readable(pattern(10)).offer();
        CHECK(open(driver, 4).base() == PackedRing::initial_base);
        driver.chain().readable(pattern(10)).readable(pattern(10)).offer();
        Ring ring = open(driver, 4);
        CHECK(must(ring.take())->head() == first.head);
    }
    SECTION("after a lap it is what it says") {
        FakePackedDriver driver(ram, 4);
        Ring ring = open(driver, 4);
        for (int i = 0; i < 4; ++i) {
            driver.chain().readable(pattern(10)).offer();
            ring.put_used(std::move(*must(ring.take())), 0);
            ring.publish();
            REQUIRE(driver.take_used());
        }
        CHECK(ring.base() == 0);
        CHECK(open(driver, 4).base() == 0);
        const auto offered = driver.chain().readable(pattern(10)).offer();
        Ring second = open(driver, 4);
        CHECK(second.base() == 0);
        CHECK(must(second.take())->head() == offered.head);
    }
    SECTION("also of a ring of one descriptor") {
        FakePackedDriver driver(ram, 1);
        Ring ring = open(driver, 1);
        driver.chain().readable(pattern(10)).offer();
        ring.put_used(std::move(*must(ring.take())), 0);
        ring.publish();
        CHECK(open(driver, 1).base() == 0);
    }
}
