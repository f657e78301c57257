// From the guest to the wire.

#include <algorithm>
#include <functional>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <unistd.h>

#include "device/net/checksum.h"
#include "tests/unit/device/net_bench.h"

using namespace skbtrail::device;
using namespace skbtrail::device::test;

TEST_CASE("transmit: a frame reaches the wire and its chain comes back", "[device][net]") {
    NetBench bench;
    const auto offered = bench.send(pattern(60));
    REQUIRE(bench.wire.sent.size() == 1);
    CHECK(bench.wire.sent[0].bytes == pattern(60));
    const auto used = bench.transmit.take_used();
    REQUIRE(used);
    CHECK(used->head == offered.head);
    CHECK(used->length == 0);  // a device writes nothing to a transmitted chain
    CHECK(bench.transmit_fds.call.take() == 1);
    CHECK(bench.counters(1).frames == 1);
    CHECK(bench.counters(1).bytes == 60);
    REQUIRE(bench.tapped.size() == 1);
    CHECK(bench.tapped[0].first == FrameDirection::from_guest);
}

TEST_CASE("transmit: with a latency the ring rests after the kick", "[device][net]") {
    constexpr std::chrono::milliseconds latency(50);
    NetBench bench(bench_features, false, nullptr, latency);
    const auto kicked = EventLoop::Clock::now();
    bench.send(pattern(60));
    bench.send(pattern(61));
    CHECK(bench.wire.sent.empty());
    CHECK_FALSE(bench.transmit.take_used());
    while (bench.wire.sent.size() < 2 && EventLoop::Clock::now() < kicked + 20 * latency) {
        bench.loop.turn(std::chrono::milliseconds(10));
    }
    CHECK(EventLoop::Clock::now() >= kicked + latency);
    REQUIRE(bench.wire.sent.size() == 2);
    CHECK(bench.wire.sent[0].bytes == pattern(60));
    CHECK(bench.transmit.take_used());
}

TEST_CASE("transmit: header and frame may be cut into any buffers", "[device][net]") {
    const std::size_t piece = GENERATE(1u, 5u, 12u, 13u, 100u);
    const bool indirect = GENERATE(false, true);
    NetBench bench;
    std::vector<std::byte> all(12);
    const auto frame = pattern(14 + 40);
    all.insert(all.end(), frame.begin(), frame.end());
    if (!indirect && all.size() / piece + 1 > NetBench::ring_size) {
        return;
    }
    auto builder = bench.transmit.chain();
    for (std::size_t at = 0; at < all.size(); at += piece) {
        builder.readable(std::span(all).subspan(at, std::min(piece, all.size() - at)));
    }
    if (indirect) {
        builder.indirect();
    }
    builder.offer();
    bench.kick(1);
    REQUIRE(bench.wire.sent.size() == 1);
    CHECK(bench.wire.sent[0].bytes == frame);
}

TEST_CASE("transmit: a batch is one publication and one call", "[device][net]") {
    NetBench bench;
    for (unsigned i = 0; i < 8; ++i) {
        bench.transmit.chain()
            .readable(NetHeaderBytes{})
            .readable(pattern(60, i))
            .indirect()
            .offer();
    }
    bench.kick(1);
    CHECK(bench.wire.sent.size() == 8);
    CHECK(bench.wire.sent[7].bytes == pattern(60, 7));
    CHECK(bench.transmit_fds.call.take() == 1);
    CHECK(bench.counters(1).calls == 1);
    for (unsigned i = 0; i < 8; ++i) {
        CHECK(bench.transmit.take_used());
    }
    // The driver wants no call for a while.
    bench.transmit.set_used_event(12);
    bench.send(pattern(60));
    CHECK(bench.wire.sent.size() == 9);
    CHECK(bench.transmit_fds.call.take() == 0);
    CHECK(bench.counters(1).calls_suppressed == 1);
}

TEST_CASE("transmit: the driver is asked to kick once the ring is empty", "[device][net]") {
    NetBench bench;
    CHECK(bench.transmit.available_event() == 0);
    bench.send(pattern(60));
    CHECK(bench.transmit.available_event() == 1);
    bench.send(pattern(60));
    CHECK(bench.transmit.available_event() == 2);
}

TEST_CASE("transmit: chains that were there before the start need no kick", "[device][net]") {
    NetBench bench;
    bench.device->stop_ring(1);
    bench.transmit.chain().readable(NetHeaderBytes{}).readable(pattern(60)).offer();
    bench.start(1, bench.transmit);
    bench.settle();
    CHECK(bench.wire.sent.size() == 1);
}

TEST_CASE("transmit: more than a turn's share is finished in later turns", "[device][net]") {
    NetBench bench;
    FakeDriver large(bench.ram, 1024);
    bench.device->stop_ring(1);
    bench.start(1, large);
    for (unsigned i = 0; i < 1000; ++i) {
        large.chain().readable(NetHeaderBytes{}).readable(pattern(60, i)).indirect().offer();
    }
    bench.transmit_fds.kick.signal();
    bench.loop.turn(std::chrono::milliseconds(0));
    CHECK(bench.wire.sent.size() < 1000);
    CHECK(bench.wire.sent.size() >= 256);
    bench.settle();
    REQUIRE(bench.wire.sent.size() == 1000);
    CHECK(bench.wire.sent[999].bytes == pattern(60, 999));
    CHECK(bench.counters(1).kicks == 1);
}

TEST_CASE("transmit: a disabled queue discards and goes on", "[device][net]") {
    NetBench bench;
    must(bench.device->set_ring_enabled(1, false));
    bench.send(pattern(60));
    CHECK(bench.wire.sent.empty());
    CHECK(bench.transmit.take_used());
    CHECK(bench.counters(1).dropped_not_ready == 1);
    must(bench.device->set_ring_enabled(1, true));
    bench.send(pattern(60));
    CHECK(bench.wire.sent.size() == 1);
}

TEST_CASE("transmit: runts and giants are dropped and counted", "[device][net]") {
    NetBench bench;
    bench.send(pattern(13));
    bench.send(pattern(max_frame_bytes + 1));
    CHECK(bench.wire.sent.empty());
    CHECK(bench.counters(1).dropped_size == 2);
    CHECK(bench.transmit.take_used());
    CHECK(bench.transmit.take_used());
    bench.send(pattern(14));
    bench.send(pattern(max_frame_bytes));
    CHECK(bench.wire.sent.size() == 2);
    CHECK(bench.state(1) == Virtqueue::State::running);
}

TEST_CASE("transmit: a partial checksum is completed, or left to a wire that can",
          "[device][net]") {
    // UDP over IPv4, as Linux leaves it: the field holds the sum of the pseudo-header.
    std::vector<std::byte> frame(14 + 20 + 8 + 5);
    const auto put16 = [&](std::size_t at, unsigned value) {
        frame[at] = static_cast<std::byte>(value >> 8);
        frame[at + 1] = static_cast<std::byte>(value);
    };
    put16(12, 0x0800);
    put16(26, 0x0a00);  // 10.0.2.15 > 10.0.2.2
    put16(28, 0x020f);
    put16(30, 0x0a00);
    put16(32, 0x0202);
    put16(34, 1234);
    put16(36, 53);
    put16(38, 13);
    for (std::size_t i = 0; i < 5; ++i) {
        frame[42 + i] = static_cast<std::byte>('a' + i);
    }
    const unsigned pseudo = [&] {
        std::vector<std::byte> header(frame.begin() + 26, frame.begin() + 34);
        header.insert(header.end(), {std::byte{0}, std::byte{17}, std::byte{0}, std::byte{13}});
        return internet_sum(header);
    }();
    put16(40, pseudo);

    const bool wire_offloads = GENERATE(false, true);
    NetBench bench(bench_features, wire_offloads);
    bench.send(frame, net_header(1, 0, 0, 34, 6));
    REQUIRE(bench.wire.sent.size() == 1);
    const auto& sent = bench.wire.sent[0];
    CHECK(sent.offload.needs_checksum == wire_offloads);
    if (wire_offloads) {
        CHECK(sent.offload.checksum_start == 34);
        CHECK(sent.offload.checksum_offset == 6);
        CHECK(sent.bytes == frame);
    } else {
        // A receiver's sum over pseudo-header and datagram is all ones.
        CHECK(internet_sum(std::span(sent.bytes).subspan(34), static_cast<std::uint16_t>(pseudo)) ==
              0xffff);
        CHECK(std::vector(sent.bytes.begin() + 42, sent.bytes.end()) ==
              std::vector(frame.begin() + 42, frame.end()));
    }
}

TEST_CASE("transmit: segments go to a wire that takes them", "[device][net]") {
    NetBench bench(bench_features | feature_host_tso4 | feature_host_tso6, true);
    const std::uint8_t type = GENERATE(gso_tcp4, gso_tcp6);
    bench.send(pattern(9000), net_header(1, type, 1448, 34, 16));
    REQUIRE(bench.wire.sent.size() == 1);
    CHECK(bench.wire.sent[0].offload.gso_type == type);
    CHECK(bench.wire.sent[0].offload.gso_size == 1448);
}

TEST_CASE("transmit: what the wire does not take whole and cannot be cut is dropped",
          "[device][net]") {
    NetBench bench(bench_features | feature_host_tso4);
    bench.send(pattern(9000), net_header(1, gso_tcp4, 1448, 34, 16));
    CHECK(bench.wire.sent.empty());
    CHECK(bench.counters(1).dropped_offload == 1);
    CHECK(bench.transmit.take_used());
    CHECK(bench.state(1) == Virtqueue::State::running);
}

TEST_CASE("transmit: without the flag the checksum fields mean nothing", "[device][net]") {
    // 5.1.6.2.2; neither do flags that the device does not know.
    NetBench bench;
    bench.send(pattern(60), net_header(0xfe, 0, 77, 9999, 9999));
    CHECK(bench.wire.sent.size() == 1);
}

TEST_CASE("transmit: a legacy driver's header has 10 bytes", "[device][net]") {
    NetBench bench(feature_csum);
    const std::vector<std::byte> ten(10);
    bench.transmit.chain().readable(ten).readable(pattern(60)).offer();
    bench.kick(1);
    REQUIRE(bench.wire.sent.size() == 1);
    CHECK(bench.wire.sent[0].bytes == pattern(60));
}

TEST_CASE("hostile transmit: a lie breaks this queue alone", "[device][net][hostile]") {
    struct Lie {
        const char* what;
        const char* fault;
        std::function<void(NetBench&)> tell;
    };
    const std::vector<Lie> lies = {
        {"a writable buffer", "wrong_direction",
         [](NetBench& b) { b.transmit.chain().readable(pattern(72, 0)).writable(8).offer(); }},
        {"only writable buffers", "wrong_direction",
         [](NetBench& b) { b.transmit.chain().writable(100).offer(); }},
        {"shorter than the header", "chain_too_short",
         [](NetBench& b) { b.transmit.chain().readable(pattern(11, 0)).offer(); }},
        {"a checksum one byte past the end", "bad_header",
         [](NetBench& b) {
             b.transmit.chain().readable(net_header(1, 0, 0, 40, 19)).readable(pattern(60)).offer();
         }},
        {"a checksum far outside", "bad_header",
         [](NetBench& b) {
             b.transmit.chain()
                 .readable(net_header(1, 0, 0, 65535, 65535))
                 .readable(pattern(60))
                 .offer();
         }},
        {"segmentation that was not negotiated", "bad_header",
         [](NetBench& b) {
             b.transmit.chain()
                 .readable(net_header(1, gso_tcp4, 1448, 34, 16))
                 .readable(pattern(3000))
                 .offer();
         }},
        {"segmentation of an unknown type", "bad_header",
         [](NetBench& b) {
             b.transmit.chain().readable(net_header(0, 77)).readable(pattern(60)).offer();
         }},
        {"a head past the table", "head_out_of_range",
         [](NetBench& b) { b.transmit.offer_head(NetBench::ring_size); }},
        {"an index that jumps", "available_jump",
         [](NetBench& b) { b.transmit.set_available_index(9999); }},
    };
    for (const Lie& lie : lies) {
        DYNAMIC_SECTION(lie.what) {
            NetBench bench;
            bench.send(pattern(60, 3));
            lie.tell(bench);
            bench.kick(1);
            CHECK(bench.broken_by(1) == lie.fault);
            CHECK(bench.transmit_fds.error.take() == 1);
            CHECK(bench.wire.sent.size() == 1);
            CHECK(bench.transmit.take_used());
            CHECK_FALSE(bench.transmit.take_used());  // the liar's chain is not returned
            // The other queue lives, and kicks of the broken one wake nobody.
            CHECK(bench.state(0) == Virtqueue::State::running);
            bench.receive.chain().writable(200).offer();
            CHECK(bench.wire.deliver(pattern(60)));
            bench.fds(1).kick.signal();
            bench.settle();
            CHECK(bench.receive.take_used());
            // A front end can start it anew.
            REQUIRE(bench.device->stop_ring(1));
            FakeDriver fresh(bench.ram, 16);
            bench.start(1, fresh);
            fresh.chain().readable(NetHeaderBytes{}).readable(pattern(60, 8)).offer();
            bench.kick(1);
            CHECK(bench.wire.sent.size() == 2);
        }
    }
}

TEST_CASE("hostile transmit: good frames before a lie are sent and returned",
          "[device][net][hostile]") {
    NetBench bench;
    bench.transmit.chain().readable(NetHeaderBytes{}).readable(pattern(60)).offer();
    bench.transmit.chain().readable(NetHeaderBytes{}).readable(pattern(61)).offer();
    bench.transmit.offer_head(999);
    bench.kick(1);
    CHECK(bench.wire.sent.size() == 2);
    CHECK(bench.transmit.take_used());
    CHECK(bench.transmit.take_used());
    CHECK_FALSE(bench.transmit.take_used());
    CHECK(bench.broken_by(1) == "head_out_of_range");
    CHECK(bench.transmit_fds.call.take() == 1);
}

TEST_CASE("hostile transmit: segmentation headers that lie", "[device][net][hostile]") {
    const auto refused = [](const NetHeaderBytes& bytes, Features negotiated) {
        return !parse_transmit_header(bytes, 3000, negotiated).has_value();
    };
    constexpr Features all = bench_features | feature_host_tso4 | feature_host_tso6;
    CHECK_FALSE(refused(net_header(1, gso_tcp4, 1448, 34, 16), all));
    CHECK(refused(net_header(1, gso_tcp4, 0, 34, 16), all));
    CHECK(refused(net_header(0, gso_tcp4, 1448), all));
    CHECK(refused(net_header(1, gso_tcp6, 1448, 34, 16), all & ~feature_host_tso6));
    CHECK(refused(net_header(1, gso_tcp4, 1448, 34, 16), all & ~feature_host_tso4));
    CHECK(refused(net_header(1, 0x81, 1448, 34, 16), all));  // ECN was not negotiated
    CHECK_FALSE(refused(net_header(1, 0x81, 1448, 34, 16), all | feature_host_ecn));
    CHECK_FALSE(refused(net_header(1, 0x84, 1448, 34, 16), all | feature_host_ecn));
    CHECK(
        refused(net_header(1, 0x84, 1448, 34, 16), (all | feature_host_ecn) & ~feature_host_tso6));
    CHECK(refused(net_header(1, gso_udp, 1480, 34, 6), all));
    CHECK_FALSE(refused(net_header(1, gso_udp, 1480, 34, 6), all | feature_host_ufo));
    CHECK(refused(net_header(1, gso_udp_segments, 1480, 34, 6), all));
    CHECK_FALSE(refused(net_header(1, gso_udp_segments, 1480, 34, 6), all | feature_host_uso));
    for (const unsigned type : {2u, 6u, 0x80u, 0x83u, 0x85u, 0xffu}) {
        CHECK(refused(net_header(1, static_cast<std::uint8_t>(type), 1448, 34, 16),
                      all | host_segment_features));
    }
    CHECK(refused(net_header(1, 0, 0, 34, 16), all & ~feature_csum));
    CHECK(refused(net_header(1, 0, 0, 2999, 0), all));
    CHECK_FALSE(refused(net_header(1, 0, 0, 2998, 0), all));
}

TEST_CASE("hostile transmit: the guest's file is cut short", "[device][net][hostile]") {
    NetBench bench;
    const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    bench.transmit.chain()
        .piece({GuestAddress{GuestRam::default_base + 16 * page}, 100, false})
        .offer();
    REQUIRE(::ftruncate(bench.ram.fd().get(), static_cast<off_t>(8 * page)) == 0);
    bench.kick(1);
    CHECK(bench.broken_by(1) == "memory_lost");
    CHECK(bench.transmit_fds.error.take() == 1);
    CHECK_FALSE(bench.transmit.take_used());
}
