// The split ring against an honest driver.

#include <array>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "device/virtqueue/ring.h"
#include "tests/unit/device/fake_driver.h"
#include "tests/unit/device/ring_bench.h"

using namespace skbtrail::device;
using namespace skbtrail::device::test;

namespace {

struct SplitRingBench : RingBench<FakeDriver> {
    explicit SplitRingBench(std::uint32_t size = 8, RingFeatures features = {true, true},
                            std::uint16_t start = 0)
        : RingBench(size, features, start) {}
};

}  // namespace

TEST_CASE("ring: a chain goes out and comes back", "[device][ring]") {
    const bool indirect = GENERATE(false, true);
    SplitRingBench bench;
    CHECK_FALSE(must(bench.ring.take()));

    auto builder = bench.driver.chain();
    builder.readable(pattern(10)).readable(pattern(5, 9)).writable(100);
    const auto offered = indirect ? builder.indirect().offer() : builder.offer();

    Chain chain = bench.take();
    CHECK(chain.head() == offered.head);
    CHECK(chain.available_index() == 0);
    CHECK(chain.readable_bytes() == 15);
    CHECK(chain.writable_bytes() == 100);
    REQUIRE(chain.descriptors().size() == 3);
    CHECK(chain.descriptors()[1].address == offered.pieces[1].address);
    CHECK(chain.descriptors()[1].length == 5);
    CHECK_FALSE(chain.descriptors()[1].device_writable);
    CHECK(chain.descriptors()[2].device_writable);

    auto expected = pattern(10);
    for (const std::byte byte : pattern(5, 9)) {
        expected.push_back(byte);
    }
    CHECK(bench.content(chain) == expected);
    CHECK(scatter(chain.writable(), 3, pattern(20)) == 20);
    CHECK(bench.ram.bytes(GuestAddress{offered.pieces[2].address.value + 3}, 20) == pattern(20));

    bench.ring.put_used(std::move(chain), 23);
    CHECK_FALSE(bench.driver.take_used());  // not published yet
    bench.ring.publish();
    const auto used = bench.driver.take_used();
    REQUIRE(used);
    CHECK(used->head == offered.head);
    CHECK(used->length == 23);
    CHECK_FALSE(must(bench.ring.take()));
}

TEST_CASE("ring: direct descriptors may end in an indirect table", "[device][ring]") {
    // virtio 1.3, 2.7.5.3.2: the device has to take that.
    SplitRingBench bench;
    const auto direct = bench.driver.chain().readable(pattern(4)).lay_out();
    const auto table =
        bench.driver.chain().readable(pattern(6, 2)).writable(7).indirect().lay_out();
    RingDescriptor first = bench.driver.descriptor(direct.head);
    first.flags |= descriptor_next;
    first.next = table.head;
    bench.driver.set_descriptor(direct.head, first);
    bench.driver.offer_head(direct.head);
    const Chain chain = bench.take();
    REQUIRE(chain.descriptors().size() == 3);
    CHECK(chain.readable_bytes() == 10);
    CHECK(chain.writable_bytes() == 7);
    CHECK(chain.descriptors()[0].next);
    CHECK(chain.descriptors()[1].next);
    CHECK_FALSE(chain.descriptors()[2].next);
    REQUIRE(chain.in_table() == 2);
    CHECK(chain.table().address.value == bench.driver.descriptor(table.head).address);
    CHECK(chain.table().length == 32);
}

TEST_CASE("ring: WRITE on a descriptor of an indirect table is ignored", "[device][ring]") {
    // 2.7.5.3.2
    SplitRingBench bench;
    const auto offered = bench.driver.chain().readable(pattern(4)).indirect().lay_out();
    RingDescriptor table = bench.driver.descriptor(offered.head);
    table.flags |= descriptor_write;
    bench.driver.set_descriptor(offered.head, table);
    bench.driver.offer_head(offered.head);
    CHECK(bench.take().readable_bytes() == 4);
}

TEST_CASE("ring: a chain that is put back is offered again", "[device][ring]") {
    SplitRingBench bench;
    const auto first = bench.driver.chain().writable(10).offer();
    const auto second = bench.driver.chain().writable(20).offer();
    Chain a = bench.take();
    Chain b = bench.take();
    CHECK(b.head() == second.head);
    bench.ring.put_back(std::move(b));
    bench.ring.put_back(std::move(a));
    CHECK(bench.take().head() == first.head);
    CHECK(bench.take().head() == second.head);
}

TEST_CASE("ring: indexes wrap at 65536, in rings of any size", "[device][ring]") {
    const std::uint32_t size = GENERATE(1u, 2u, 8u, 256u);
    SplitRingBench bench(size, {true, true}, 65530);
    for (unsigned round = 0; round < 40; ++round) {
        const auto offered = bench.driver.chain().readable(pattern(3, round)).offer();
        Chain chain = bench.take();
        CHECK(chain.available_index() == static_cast<std::uint16_t>(65530 + round));
        CHECK(bench.content(chain) == pattern(3, round));
        bench.ring.put_used(std::move(chain), round);
        bench.ring.publish();
        const auto used = bench.driver.take_used();
        REQUIRE(used);
        CHECK(used->head == offered.head);
        CHECK(used->length == round);
    }
    CHECK(bench.ring.base() == static_cast<std::uint16_t>(65530 + 40));
}

TEST_CASE("ring: a full ring is taken whole", "[device][ring]") {
    SplitRingBench bench(8);
    for (int i = 0; i < 8; ++i) {
        bench.driver.chain().writable(1).offer();
    }
    CHECK(must(bench.ring.waiting()) == 8);
    for (int i = 0; i < 8; ++i) {
        bench.ring.put_used(bench.take(), 0);
    }
    CHECK_FALSE(must(bench.ring.take()));
    bench.ring.publish();
    for (int i = 0; i < 8; ++i) {
        CHECK(bench.driver.take_used());
    }
    CHECK_FALSE(bench.driver.take_used());
}

TEST_CASE("ring: the largest that there may be goes around", "[device][ring]") {
    SplitRingBench bench(max_ring_size);
    bench.go_around(max_ring_size,
                    [&bench] { CHECK(must(bench.ring.waiting()) == max_ring_size); });
}

TEST_CASE("ring: its parts may lie in different regions", "[device][ring]") {
    GuestRam ram({{0x100000, 0x1000}, {0x900000, 0x1000}, {0x500000, 0x1000}});
    ram.spread();
    FakeDriver driver(ram, 8);
    Ring ring = must(Ring::open(ram.mapped(), driver.addresses(), 8, {true, true}, 0));
    for (unsigned lap = 0; lap < 20; ++lap) {
        const auto offered = driver.chain().readable(pattern(5, lap)).writable(7).offer();
        auto chain = must(ring.take());
        REQUIRE(chain);
        std::vector<std::byte> read(5);
        CHECK(gather(chain->readable(), 0, read) == 5);
        CHECK(read == pattern(5, lap));
        CHECK(scatter(chain->writable(), 0, pattern(7, lap)) == 7);
        ring.put_used(std::move(*chain), 7);
        ring.publish();
        REQUIRE(driver.take_used()->head == offered.head);
        CHECK(ram.bytes(offered.pieces[1].address, 7) == pattern(7, lap));
    }
}

TEST_CASE("ring: a buffer that touches two regions", "[device][ring]") {
    GuestRam ram({{0x100000, 0x10000}, {0x110000, 0x10000}});
    FakeDriver driver(ram, 8);
    Ring ring = must(Ring::open(ram.mapped(), driver.addresses(), 8, {true, true}, 0));
    const GuestAddress seam{0x110000 - 6};
    driver.chain().piece({seam, 10, true}).offer();
    auto chain = must(ring.take());
    REQUIRE(chain);
    CHECK(chain->descriptors().size() == 1);
    CHECK(chain->writable().size() == 2);
    CHECK(scatter(chain->writable(), 0, pattern(10)) == 10);
    CHECK(ram.bytes(seam, 6) == pattern(6));
}

TEST_CASE("ring: gather and scatter stop at the shorter side", "[device][ring]") {
    auto a = pattern(4);
    auto b = pattern(4, 5);
    const std::array<std::span<std::byte>, 2> segments{a, b};
    std::vector<std::byte> out(20);
    CHECK(gather(segments, 0, out) == 8);
    CHECK(gather(segments, 6, out) == 2);
    CHECK(out[0] == b[2]);
    CHECK(gather(segments, 8, out) == 0);
    CHECK(gather(segments, 100, out) == 0);
    CHECK(scatter(segments, 7, pattern(5)) == 1);
    CHECK(scatter({}, 0, pattern(5)) == 0);
    CHECK(gather(segments, 0, {}) == 0);
}

// Notifications.

TEST_CASE("ring: the event arithmetic across the wrap", "[device][ring][notify]") {
    // event, now, before
    STATIC_CHECK(passes_event(0, 1, 0));
    STATIC_CHECK_FALSE(passes_event(1, 1, 0));
    STATIC_CHECK_FALSE(passes_event(65535, 1, 0));
    STATIC_CHECK(passes_event(65535, 0, 65535));
    STATIC_CHECK(passes_event(65535, 5, 65530));
    STATIC_CHECK(passes_event(0, 5, 65530));
    STATIC_CHECK(passes_event(4, 5, 65530));
    STATIC_CHECK_FALSE(passes_event(5, 5, 65530));
    STATIC_CHECK(passes_event(65530, 5, 65530));
    STATIC_CHECK_FALSE(passes_event(65529, 5, 65530));
    STATIC_CHECK_FALSE(passes_event(7, 7, 7));
    STATIC_CHECK_FALSE(passes_event(6, 7, 7));

    // Against the words of the specification: is event among before, before + 1 … now - 1?
    for (unsigned before = 65500; before < 65600; before += 7) {
        for (unsigned step = 0; step < 40; ++step) {
            for (unsigned offset = 0; offset < 60; ++offset) {
                const auto event = static_cast<std::uint16_t>(before - 10 + offset);
                const bool expected = offset >= 10 && offset < 10 + step;
                REQUIRE(passes_event(event, static_cast<std::uint16_t>(before + step),
                                     static_cast<std::uint16_t>(before)) == expected);
            }
        }
    }
}

TEST_CASE("ring: calls as EVENT_IDX asks", "[device][ring][notify]") {
    const std::uint16_t start = GENERATE(std::uint16_t{0}, std::uint16_t{65534});
    SplitRingBench bench(8, {true, true}, start);
    const auto at = [&](int offset) { return static_cast<std::uint16_t>(start + offset); };
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

    bench.driver.set_used_event(at(5));
    const auto first = complete(1);
    CHECK(first.wanted);  // whatever the event says
    CHECK(first.first);
    CHECK_FALSE(complete(1).wanted);
    CHECK_FALSE(complete(3).wanted);  // used is start + 5 now, the event is to be passed
    const auto passed = complete(1);
    CHECK(passed.wanted);
    CHECK(passed.before == at(5));
    CHECK(passed.now == at(6));
    CHECK(passed.event == at(5));
    CHECK_FALSE(complete(1).wanted);
    bench.driver.set_used_event(at(8));
    CHECK(complete(4).wanted);  // in the middle of a batch
    CHECK_FALSE(bench.ring.decide_call().pending);
    CHECK_FALSE(bench.ring.decide_call().wanted);
}

TEST_CASE("ring: calls as the flag asks", "[device][ring][notify]") {
    SplitRingBench bench(8, {true, false});
    const auto complete = [&] {
        bench.driver.chain().writable(1).offer();
        bench.ring.put_used(bench.take(), 0);
        bench.ring.publish();
        return bench.ring.decide_call();
    };
    CHECK(complete().wanted);
    bench.driver.set_available_flags(available_no_interrupt);
    CHECK_FALSE(complete().wanted);
    bench.driver.set_available_flags(0xfffe);
    CHECK(complete().wanted);
    CHECK_FALSE(bench.ring.decide_call().wanted);
}

TEST_CASE("ring: kicks are asked for and refused", "[device][ring][notify]") {
    SECTION("with the flag") {
        SplitRingBench bench(8, {true, false});
        bench.ring.refuse_kicks();
        CHECK(bench.driver.used_flags() == used_no_notify);
        CHECK_FALSE(must(bench.ring.ask_for_kicks()));
        CHECK(bench.driver.used_flags() == 0);
        bench.driver.chain().writable(1).offer();
        CHECK(must(bench.ring.ask_for_kicks()));
    }
    SECTION("with EVENT_IDX") {
        SplitRingBench bench(8, {true, true}, 65535);
        CHECK_FALSE(must(bench.ring.ask_for_kicks()));
        CHECK(bench.driver.available_event() == 65535);
        bench.driver.chain().writable(1).offer();
        CHECK(passes_event(bench.driver.available_event(), bench.driver.available_index(), 65535));
        CHECK(must(bench.ring.ask_for_kicks()));
        bench.ring.put_used(bench.take(), 0);
        CHECK_FALSE(must(bench.ring.ask_for_kicks()));
        CHECK(bench.driver.available_event() == 0);
        CHECK(bench.driver.used_flags() == 0);
    }
    SECTION("with chains that were seen and are too few") {
        SplitRingBench bench(8, {true, true});
        bench.driver.chain().writable(1).offer();
        bench.ring.put_back(bench.take());
        // The next one the driver adds must kick, although one is there.
        CHECK_FALSE(must(bench.ring.ask_for_kicks()));
        bench.driver.chain().writable(1).offer();
        CHECK(passes_event(bench.driver.available_event(), bench.driver.available_index(), 1));
    }
}

TEST_CASE("ring: a burst takes what is there, and stops before what is broken", "[device][ring]") {
    SplitRingBench bench(64);
    std::array<Chain, 32> chains;
    CHECK(must(bench.ring.take_burst(chains)) == 0);
    std::vector<std::uint16_t> heads;
    for (std::size_t i = 0; i < 40; ++i) {
        heads.push_back(bench.driver.chain().readable(pattern(4 + i)).offer().head);
    }
    REQUIRE(must(bench.ring.take_burst(chains)) == 32);
    for (std::size_t i = 0; i < 32; ++i) {
        CHECK(chains[i].head() == heads[i]);
        CHECK(bench.content(chains[i]) == pattern(4 + i));
    }
    // Back in reverse order, all but the first.
    for (std::size_t i = 32; i-- > 1;) {
        bench.ring.put_back(std::move(chains[i]));
    }
    bench.ring.put_used(std::move(chains[0]), 0);
    CHECK(bench.ring.base() == 1);
    CHECK(must(bench.ring.waiting()) == 39);

    bench.driver.offer_head(64);
    REQUIRE(must(bench.ring.take_burst(chains)) == 32);
    CHECK(chains[0].head() == heads[1]);
    REQUIRE(must(bench.ring.take_burst(chains)) == 7);
    CHECK(chains[6].head() == heads[39]);
    const auto broken = bench.ring.take_burst(chains);
    REQUIRE_FALSE(broken);
    CHECK(broken.error().kind == RingFaultKind::head_out_of_range);
}

TEST_CASE("ring: a burst is never longer than one look can hold", "[device][ring]") {
    SplitRingBench bench(256);
    for (std::size_t i = 0; i < 100; ++i) {
        bench.driver.chain().readable(pattern(4)).offer();
    }
    std::vector<Chain> chains(100);
    CHECK(must(bench.ring.take_burst(chains)) == max_burst);
}

TEST_CASE("ring: in order, one used element returns a batch", "[device][ring]") {
    SplitRingBench bench(8, {.indirect = true, .event_idx = true, .in_order = true}, 65530);
    for (int lap = 0; lap < 5; ++lap) {
        std::uint16_t last = 0;
        const std::uint16_t first_index = bench.driver.used_index();
        for (int i = 0; i < 3; ++i) {
            last = bench.driver.chain().readable(pattern(4)).readable(pattern(2)).offer().head;
        }
        std::array<Chain, 8> chains;
        REQUIRE(must(bench.ring.take_burst(chains)) == 3);
        for (int i = 0; i < 3; ++i) {
            bench.ring.put_used(std::move(chains[static_cast<std::size_t>(i)]), 0);
        }
        CHECK(bench.driver.used_index() == first_index);
        bench.ring.publish();
        // 2.7.9: the index moves by the batch, and its first element names its last chain.
        CHECK(bench.driver.used_index() == static_cast<std::uint16_t>(first_index + 3));
        CHECK(bench.driver.used_element(first_index).head == last);
        bench.driver.take_used_in_order(3);
    }
    SECTION("what the device writes to is returned one by one, with its length") {
        const auto a = bench.driver.chain().writable(10).offer();
        const auto b = bench.driver.chain().writable(10).offer();
        std::array<Chain, 8> chains;
        REQUIRE(must(bench.ring.take_burst(chains)) == 2);
        bench.ring.put_used(std::move(chains[0]), 10);
        bench.ring.put_used(std::move(chains[1]), 9);
        bench.ring.publish();
        const auto first = bench.driver.take_used();
        CHECK(first->head == a.head);
        CHECK(first->length == 10);
        const auto second = bench.driver.take_used();
        CHECK(second->head == b.head);
        CHECK(second->length == 9);
    }
}
