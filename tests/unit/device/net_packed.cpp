// The network device on packed rings, of a size that is no power of two, in order and not.

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "tests/unit/device/packed_bench.h"

using namespace skbtrail::device;
using namespace skbtrail::device::test;

TEST_CASE("net packed: frames go out, and their chains come back", "[device][net][packed]") {
    const Features extra = GENERATE(Features{0}, feature_in_order);
    PackedBench bench(packed_features | extra);
    for (unsigned lap = 0; lap < 10; ++lap) {
        std::vector<std::uint16_t> ids;
        bench.wire.sent.clear();
        for (unsigned i = 0; i < 5; ++i) {
            ids.push_back(bench.transmit.chain()
                              .readable(NetHeaderBytes{})
                              .readable(pattern(60 + i, lap))
                              .offer()
                              .head);
        }
        bench.transmit_fds.kick.signal();
        bench.settle();
        REQUIRE(bench.wire.sent.size() == 5);
        for (unsigned i = 0; i < 5; ++i) {
            CHECK(bench.wire.sent[i].bytes == pattern(60 + i, lap));
            const auto used = bench.transmit.take_used();
            REQUIRE(used);
            CHECK(used->head == ids[i]);
        }
        CHECK_FALSE(bench.transmit.take_used());
    }
    // In order one used descriptor stood for each batch.
    CHECK(bench.transmit.used_descriptors == (extra != 0 ? 10 : 50));
}

TEST_CASE("net packed: a frame over several buffers", "[device][net][packed]") {
    PackedBench bench;
    CHECK_FALSE(bench.wire.deliver(pattern(100)));  // no buffers
    std::vector<FakePackedDriver::Offered> offered;
    for (int i = 0; i < 3; ++i) {
        offered.push_back(bench.receive.chain().writable(50).offer());
    }
    bench.receive_fds.kick.signal();
    bench.settle();
    CHECK(bench.wire.receive_ready > 0);
    REQUIRE(bench.wire.deliver(pattern(100)));
    bench.settle();
    std::vector<std::byte> got;
    for (const std::uint32_t length : {50u, 50u, 12u}) {
        const auto used = bench.receive.take_used();
        REQUIRE(used);
        CHECK(used->length == length);
        CHECK(used->head == offered[got.size() / 50].head);
        const auto bytes = bench.ram.bytes(offered[got.size() / 50].pieces[0].address, length);
        got.insert(got.end(), bytes.begin(), bytes.end());
    }
    CHECK(got[10] == std::byte{3});  // num_buffers
    got.erase(got.begin(), got.begin() + 12);
    CHECK(got == pattern(100));
    CHECK(bench.receive_fds.call.take() > 0);

    SECTION("too few are given back, and come to use with the next") {
        bench.receive.chain().writable(50).offer();
        CHECK_FALSE(bench.wire.deliver(pattern(100)));
        bench.receive.chain().writable(80).offer();
        bench.receive_fds.kick.signal();
        bench.settle();
        REQUIRE(bench.wire.deliver(pattern(100)));
        bench.settle();
        CHECK(bench.receive.take_used()->length == 50);
        CHECK(bench.receive.take_used()->length == 62);
    }
}

TEST_CASE("net packed: one broken ring, and the other goes on", "[device][net][packed]") {
    PackedBench bench;
    bench.transmit.chain().readable(NetHeaderBytes{}).readable(pattern(60)).offer();
    bench.transmit.chain().piece({GuestAddress{0}, 80, false}).offer();
    bench.transmit_fds.kick.signal();
    bench.settle();
    CHECK(bench.wire.sent.size() == 1);
    CHECK(bench.transmit.take_used());
    CHECK_FALSE(bench.transmit.take_used());
    CHECK(bench.broken_by(1) == "buffer_unmapped");
    CHECK(bench.transmit_fds.error.take() == 1);

    bench.receive.chain().writable(200).offer();
    REQUIRE(bench.wire.deliver(pattern(100)));
    bench.settle();
    CHECK(bench.receive.take_used()->length == 112);
    CHECK(bench.broken_by(0).empty());
}

TEST_CASE("net packed: stopped and started where it was", "[device][net][packed]") {
    PackedBench bench;
    for (unsigned round = 0; round < 20; ++round) {
        bench.transmit.chain().readable(NetHeaderBytes{}).readable(pattern(60, round)).offer();
        bench.transmit_fds.kick.signal();
        bench.settle();
        REQUIRE(bench.transmit.take_used());
        const std::uint32_t base = must(bench.device->stop_ring(1));
        CHECK(base == (bench.transmit.next().encode() |
                       std::uint32_t{bench.transmit.next_used().encode()} << 16));
        must(bench.device->set_ring_base(1, base));
        must(bench.device->set_ring_kick(1, bench.transmit_fds.kick.share()));
    }
    CHECK(bench.wire.sent.size() == 20);
}

TEST_CASE("net packed: always polling needs no kicks", "[device][net][packed][poll]") {
    PackedBench bench(packed_features, true);
    bench.settle();
    CHECK(bench.transmit.device_event_flags() == event_disable);
    for (unsigned round = 0; round < 3; ++round) {
        bench.transmit.chain().readable(NetHeaderBytes{}).readable(pattern(60, round)).offer();
        bench.settle();
        CHECK(bench.wire.sent.size() == round + 1);
    }
    CHECK_FALSE(bench.wire.deliver(pattern(60)));
    const int before = bench.wire.receive_ready;
    bench.receive.chain().writable(200).offer();
    bench.settle();
    CHECK(bench.wire.receive_ready == before + 1);
    REQUIRE(bench.wire.deliver(pattern(60)));
}
