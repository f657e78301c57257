// From the wire to the guest.

#include <algorithm>
#include <cstring>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "tests/unit/device/net_bench.h"

using namespace skbtrail::device;
using namespace skbtrail::device::test;

namespace {

/// Header and frame as the driver finds them in the buffers of used chains.
struct Received {
    std::vector<std::byte> header;
    std::vector<std::byte> frame;
    std::uint16_t buffers = 0;
};

/// Puts a frame together again from `chains`, of which the driver gave the buffers.
Received reassemble(NetBench& bench, const std::vector<FakeDriver::Offered>& chains) {
    std::vector<std::byte> all;
    for (const auto& chain : chains) {
        const auto used = bench.receive.take_used();
        REQUIRE(used);
        REQUIRE(used->head == chain.head);
        std::uint32_t left = used->length;
        for (const auto& piece : chain.pieces) {
            const std::uint32_t part = std::min(left, piece.length);
            const auto bytes = bench.ram.bytes(piece.address, part);
            all.insert(all.end(), bytes.begin(), bytes.end());
            left -= part;
        }
        CHECK(left == 0);
    }
    REQUIRE(all.size() >= 12);
    Received received{{all.begin(), all.begin() + 12}, {all.begin() + 12, all.end()}, 0};
    std::memcpy(&received.buffers, &received.header[10], 2);
    return received;
}

}  // namespace

TEST_CASE("receive: a frame arrives in one buffer", "[device][net]") {
    const Features features = GENERATE(bench_features, no_merging);
    NetBench bench(features);
    const auto offered = bench.receive.chain().writable(2000).offer();
    CHECK(bench.wire.deliver(pattern(60)));
    CHECK_FALSE(bench.receive.take_used());  // shown with its batch
    bench.settle();
    const Received received = reassemble(bench, {offered});
    CHECK(received.frame == pattern(60));
    CHECK(received.buffers == 1);
    CHECK(std::count(received.header.begin(), received.header.begin() + 10, std::byte{0}) == 10);
    CHECK(bench.receive_fds.call.take() == 1);
    REQUIRE(bench.tapped.size() == 1);
    CHECK(bench.tapped[0].first == FrameDirection::to_guest);
    CHECK(bench.comments[0] == fmt::format("queue 0 (receive), head {}: {:#x}:2000", offered.head,
                                           offered.pieces[0].address.value));
}

TEST_CASE("receive: no byte of what a buffer held stays in the header", "[device][net]") {
    NetBench bench;
    std::vector<std::byte> header(12);
    header[10] = std::byte{1};
    std::vector<FakeDriver::Offered> offered;
    for (std::size_t wrong = 0; wrong < header.size(); ++wrong) {
        offered.push_back(bench.receive.chain().writable(200).offer());
        std::vector<std::byte> held = header;
        held[wrong] ^= std::byte{0x80};
        bench.ram.put(offered.back().pieces[0].address, held);
    }
    for (unsigned i = 0; i < offered.size(); ++i) {
        REQUIRE(bench.wire.deliver(pattern(60, i)));
    }
    bench.settle();
    for (unsigned i = 0; i < offered.size(); ++i) {
        INFO("byte " << i);
        const Received received = reassemble(bench, {offered[i]});
        CHECK(received.header == header);
        CHECK(received.frame == pattern(60, i));
    }
}

TEST_CASE("receive: the frames of a turn share one call", "[device][net]") {
    NetBench bench;
    for (int i = 0; i < 10; ++i) {
        bench.receive.chain().writable(200).offer();
    }
    for (unsigned i = 0; i < 10; ++i) {
        CHECK(bench.wire.deliver(pattern(60, i)));
    }
    bench.settle();
    CHECK(bench.receive_fds.call.take() == 1);
    for (int i = 0; i < 10; ++i) {
        CHECK(bench.receive.take_used());
    }
}

TEST_CASE("receive: a large frame fills several small buffers", "[device][net]") {
    NetBench bench;
    std::vector<FakeDriver::Offered> chains;
    for (int i = 0; i < 5; ++i) {
        chains.push_back(bench.receive.chain().writable(100).offer());
    }
    const auto spare = bench.receive.chain().writable(100).offer();
    CHECK(bench.wire.deliver(pattern(450)));  // 12 + 450: four full and 62 bytes
    bench.settle();
    const Received received = reassemble(bench, chains);
    CHECK(received.buffers == 5);
    CHECK(received.frame == pattern(450));
    std::string comment = "queue 0 (receive)";
    for (const auto& chain : chains) {
        comment += fmt::format("{} head {}: {:#x}:100", &chain == chains.data() ? "," : ";",
                               chain.head, chain.pieces[0].address.value);
    }
    CHECK(bench.comments.at(0) == comment);
    CHECK_FALSE(bench.receive.take_used());
    // The next frame goes to the next buffer.
    CHECK(bench.wire.deliver(pattern(60)));
    bench.settle();
    CHECK(reassemble(bench, {spare}).frame == pattern(60));
}

TEST_CASE("receive: a frame that fits exactly takes no buffer more", "[device][net]") {
    NetBench bench;
    const auto a = bench.receive.chain().writable(100).offer();
    const auto b = bench.receive.chain().writable(100).offer();
    bench.receive.chain().writable(100).offer();
    CHECK(bench.wire.deliver(pattern(188)));
    bench.settle();
    CHECK(reassemble(bench, {a, b}).buffers == 2);
    CHECK_FALSE(bench.receive.take_used());
}

TEST_CASE("receive: the header may lie over several descriptors", "[device][net]") {
    NetBench bench(GENERATE(bench_features, no_merging));
    auto builder = bench.receive.chain();
    for (int i = 0; i < 15; ++i) {
        builder.writable(1);
    }
    const auto offered = builder.writable(500).offer();
    CHECK(bench.wire.deliver(pattern(300)));
    bench.settle();
    CHECK(reassemble(bench, {offered}).frame == pattern(300));
}

TEST_CASE("receive: big buffers of a driver without merging", "[device][net]") {
    // What Linux gives without MRG_RXBUF and with GUEST_TSO: a header, then 17 pages.
    NetBench bench(no_merging);
    auto builder = bench.receive.chain();
    builder.writable(12);
    for (int i = 0; i < 17; ++i) {
        builder.writable(4096);
    }
    const auto offered = builder.indirect().offer();
    CHECK(bench.wire.deliver(pattern(60000)));
    bench.settle();
    CHECK(reassemble(bench, {offered}).frame == pattern(60000));
}

TEST_CASE("receive: without merging, what does not fit is dropped", "[device][net]") {
    NetBench bench(no_merging);
    const auto offered = bench.receive.chain().writable(100).offer();
    bench.receive.chain().writable(2000).offer();
    CHECK(bench.wire.deliver(pattern(89)));  // taken from the wire, and lost
    CHECK(bench.counters(0).dropped_size == 1);
    CHECK(bench.wire.deliver(pattern(88)));
    bench.settle();
    CHECK(reassemble(bench, {offered}).frame == pattern(88));
}

TEST_CASE("receive: a frame that the whole ring cannot hold is dropped", "[device][net]") {
    NetBench bench;
    for (std::uint32_t i = 0; i < NetBench::ring_size; ++i) {
        bench.receive.chain().writable(20).offer();
    }
    CHECK(bench.wire.deliver(pattern(16 * 20 - 11)));
    CHECK(bench.counters(0).dropped_size == 1);
    CHECK(bench.wire.deliver(pattern(16 * 20 - 12)));
    CHECK(bench.counters(0).frames == 1);
}

TEST_CASE("receive: without buffers a frame is refused and the wire told later", "[device][net]") {
    NetBench bench(GENERATE(bench_features, bench_features & ~feature_event_idx));
    CHECK_FALSE(bench.wire.deliver(pattern(60)));
    CHECK(bench.counters(0).refused == 1);
    // Some, but too few: nothing may be taken. The driver must kick for the rest all the same.
    bench.receive.chain().writable(50).offer();
    CHECK_FALSE(bench.wire.deliver(pattern(60)));
    CHECK_FALSE(bench.receive.take_used());
    CHECK(bench.wire.receive_ready == 1);  // when the queue was enabled
    bench.receive.chain().writable(50).offer();
    // Enough now, but the wire has not heard of it: a later frame would overtake the refused one.
    CHECK_FALSE(bench.wire.deliver(pattern(61)));
    CHECK(bench.counters(0).refused == 3);
    bench.kick(0);
    CHECK(bench.wire.receive_ready == 2);
    CHECK(bench.wire.deliver(pattern(60)));
    bench.settle();
    CHECK(bench.receive.take_used());
    CHECK(bench.receive.take_used());
    // Nobody waits: a kick is no news for the wire.
    bench.kick(0);
    CHECK(bench.wire.receive_ready == 2);
}

TEST_CASE("receive: the wire is told when the guest takes frames and when it does not",
          "[device][net]") {
    NetBench bench;
    CHECK(bench.wire.receive_ready == 1);
    bench.receive.chain().writable(200).offer();
    bench.kick(0);
    CHECK(bench.wire.receive_ready == 1);
    CHECK(bench.wire.receive_stopped == 0);

    SECTION("disabled and enabled") {
        must(bench.device->set_ring_enabled(0, false));
        CHECK(bench.wire.deliver(pattern(60)));
        CHECK(bench.wire.receive_stopped == 1);
        CHECK(bench.wire.receive_ready == 1);
        must(bench.device->set_ring_enabled(0, true));
    }
    SECTION("stopped and started") {
        must(bench.device->stop_ring(0));
        CHECK(bench.wire.deliver(pattern(60)));
        CHECK(bench.wire.receive_stopped == 1);
        CHECK(bench.wire.receive_ready == 1);
        must(bench.device->set_ring_kick(0, bench.receive_fds.kick.share()));
    }
    SECTION("broken and started") {
        bench.receive.chain().readable(pattern(10)).offer();
        CHECK(bench.wire.deliver(pattern(60)));
        CHECK(bench.wire.receive_stopped == 0);
        CHECK(bench.wire.deliver(pattern(60)));
        CHECK(bench.wire.receive_stopped == 1);
        must(bench.device->stop_ring(0));
        must(bench.device->set_ring_kick(0, bench.receive_fds.kick.share()));
    }
    CHECK(bench.wire.receive_ready == 2);
}

TEST_CASE("receive: buffers that come just before the refusal are used", "[device][net]") {
    // The driver sees no wish for a kick yet, so it does not kick: the device has to look again.
    NetBench bench;
    bench.receive.chain().writable(200).offer();
    CHECK(bench.wire.deliver(pattern(60)));
    bench.receive.chain().writable(200).offer();
    CHECK(bench.wire.deliver(pattern(60)));
    CHECK(bench.counters(0).refused == 0);
}

TEST_CASE("receive: a queue that is not ready drops", "[device][net]") {
    NetBench bench;
    bench.receive.chain().writable(200).offer();
    SECTION("disabled") {
        must(bench.device->set_ring_enabled(0, false));
    }
    SECTION("stopped") {
        must(bench.device->stop_ring(0));
    }
    SECTION("reset") {
        bench.device->reset();
    }
    CHECK(bench.wire.deliver(pattern(60)));
    bench.settle();
    CHECK_FALSE(bench.receive.take_used());
    CHECK(bench.counters(0).dropped_not_ready == 1);
}

TEST_CASE("receive: what is stopped has shown the driver all it wrote", "[device][net]") {
    NetBench bench;
    bench.receive.chain().writable(200).offer();
    CHECK(bench.wire.deliver(pattern(60)));
    CHECK(must(bench.device->stop_ring(0)) == 1);
    CHECK(bench.receive.take_used());
}

TEST_CASE("receive: checksums as the driver takes them", "[device][net]") {
    const FrameOffload partial{.needs_checksum = true, .checksum_start = 34, .checksum_offset = 16};
    SECTION("negotiated: handed on") {
        NetBench bench;
        const auto offered = bench.receive.chain().writable(200).offer();
        CHECK(bench.wire.deliver(pattern(60), partial));
        bench.settle();
        const auto received = reassemble(bench, {offered});
        CHECK(received.frame == pattern(60));
        CHECK(received.header[0] == std::byte{1});
        CHECK(received.header[6] == std::byte{34});
        CHECK(received.header[8] == std::byte{16});
    }
    SECTION("not negotiated: completed") {
        NetBench bench(bench_features & ~feature_guest_csum);
        const auto offered = bench.receive.chain().writable(200).offer();
        CHECK(bench.wire.deliver(pattern(60), partial));
        bench.settle();
        const auto received = reassemble(bench, {offered});
        CHECK(received.header[0] == std::byte{0});
        CHECK(received.frame != pattern(60));
        CHECK(std::equal(received.frame.begin(), received.frame.begin() + 50, pattern(60).begin()));
    }
    SECTION("not negotiated and outside of the frame: dropped") {
        NetBench bench(bench_features & ~feature_guest_csum);
        bench.receive.chain().writable(200).offer();
        FrameOffload wrong = partial;
        wrong.checksum_start = 50;
        CHECK(bench.wire.deliver(pattern(60), wrong));
        CHECK(bench.counters(0).dropped_offload == 1);
    }
    SECTION("verified") {
        const bool negotiated = GENERATE(false, true);
        NetBench bench(negotiated ? bench_features : bench_features & ~feature_guest_csum);
        const auto offered = bench.receive.chain().writable(200).offer();
        CHECK(bench.wire.deliver(pattern(60), {.data_valid = true}));
        bench.settle();
        CHECK(reassemble(bench, {offered}).header[0] == (negotiated ? std::byte{2} : std::byte{0}));
    }
}

TEST_CASE("receive: a frame to be cut goes whole to a driver that takes it", "[device][net]") {
    struct Case {
        std::uint8_t type;
        Features needs;
    };
    const auto [type, needs] =
        GENERATE(Case{gso_tcp4, feature_guest_tso4}, Case{gso_tcp6, feature_guest_tso6},
                 Case{gso_tcp4 | gso_ecn, feature_guest_tso4 | feature_guest_ecn},
                 Case{gso_tcp6 | gso_ecn, feature_guest_tso6 | feature_guest_ecn},
                 Case{gso_udp, feature_guest_ufo},
                 Case{gso_udp_segments, feature_guest_uso4 | feature_guest_uso6});
    const FrameOffload segment{.needs_checksum = true,
                               .checksum_start = 34,
                               .checksum_offset = 16,
                               .gso_type = type,
                               .gso_size = 1448};
    // This is no IP: it cannot be cut either.
    NetBench plain(bench_features | (guest_segment_features & ~needs));
    plain.receive.chain().writable(4000).offer();
    CHECK(plain.wire.deliver(pattern(3000), segment));
    CHECK(plain.counters(0).dropped_offload == 1);

    NetBench able(bench_features | needs);
    const auto offered = able.receive.chain().writable(4000).offer();
    CHECK(able.wire.deliver(pattern(3000), segment));
    able.settle();
    const auto received = reassemble(able, {offered});
    CHECK(received.header[1] == std::byte{type});
    CHECK(received.frame == pattern(3000));
}

TEST_CASE("receive: runts and giants are dropped and counted", "[device][net]") {
    NetBench bench;
    bench.receive.chain().writable(200000).offer();
    CHECK(bench.wire.deliver(pattern(13)));
    CHECK(bench.wire.deliver(pattern(max_frame_bytes + 1)));
    CHECK(bench.counters(0).dropped_size == 2);
    CHECK(bench.wire.deliver(pattern(max_frame_bytes)));
    CHECK(bench.counters(0).frames == 1);
}

TEST_CASE("receive: nothing is longer than the MTU that was negotiated", "[device][net]") {
    NetBench bench(bench_features | feature_mtu | feature_guest_tso4);
    must(bench.device->set_mtu(100));
    for (int i = 0; i < 4; ++i) {
        bench.receive.chain().writable(400).offer();
    }
    const auto arrives = [&bench](std::vector<std::byte> frame, const FrameOffload& offload = {}) {
        const auto before = bench.counters(0).frames;
        CHECK(bench.wire.deliver(frame, offload));
        bench.settle();
        return bench.counters(0).frames != before;
    };
    CHECK(arrives(pattern(114)));
    CHECK_FALSE(arrives(pattern(115)));
    CHECK(bench.counters(0).dropped_size == 1);

    SECTION("VLAN tags do not count") {
        auto tagged = pattern(118);
        tagged[12] = std::byte{0x81};
        tagged[13] = std::byte{0x00};
        CHECK(arrives(tagged));
        tagged.push_back(std::byte{0});
        CHECK_FALSE(arrives(tagged));
        // The second of two.
        tagged.resize(122);
        tagged[12] = std::byte{0x88};
        tagged[13] = std::byte{0xa8};
        tagged[16] = std::byte{0x81};
        tagged[17] = std::byte{0x00};
        CHECK(arrives(tagged));
    }
    SECTION("what is to be cut may be longer") {
        FrameOffload large;
        large.needs_checksum = true;
        large.checksum_start = 34;
        large.checksum_offset = 16;
        large.gso_type = gso_tcp4;
        large.gso_size = 60;
        large.header_length = 54;
        CHECK(arrives(pattern(300), large));
    }
    SECTION("another one holds from then on") {
        must(bench.device->set_mtu(200));
        CHECK(arrives(pattern(214)));
    }
    SECTION("a driver that did not negotiate it takes all") {
        NetBench other;
        must(other.device->set_mtu(100));
        other.receive.chain().writable(400).offer();
        REQUIRE(other.wire.deliver(pattern(300)));
        CHECK(other.counters(0).frames == 1);
    }
}

TEST_CASE("receive: segments are no longer than the MTU either", "[device][net]") {
    // The driver takes no TCP segments to be cut, so that the NIC cuts: 1,000 bytes each.
    NetBench bench(bench_features | feature_mtu);
    for (int i = 0; i < 4; ++i) {
        bench.receive.chain().writable(2000).offer();
    }
    std::vector<std::byte> frame(54 + 2000);
    const auto put = [&frame](std::size_t at, std::initializer_list<unsigned> bytes) {
        for (const unsigned byte : bytes) {
            frame[at++] = static_cast<std::byte>(byte);
        }
    };
    put(12, {0x08, 0x00, 0x45, 0, 0x07, 0xf8});  // IPv4, 2040 bytes
    put(22, {64, 6});                            // TCP
    put(46, {0x50, 0x10});                       // 20 bytes of header, ACK
    FrameOffload large;
    large.needs_checksum = true;
    large.checksum_start = 34;
    large.checksum_offset = 16;
    large.gso_type = gso_tcp4;
    large.gso_size = 1000;
    large.header_length = 54;
    must(bench.device->set_mtu(1040));
    REQUIRE(bench.wire.deliver(frame, large));
    bench.settle();
    CHECK(bench.counters(0).frames == 2);
    must(bench.device->set_mtu(1039));
    REQUIRE(bench.wire.deliver(frame, large));
    bench.settle();
    CHECK(bench.counters(0).frames == 2);
    CHECK(bench.counters(0).dropped_size == 2);
}

TEST_CASE("hostile receive: a lie breaks this queue alone", "[device][net][hostile]") {
    struct Lie {
        const char* what;
        const char* fault;
        std::function<void(NetBench&)> tell;
    };
    const std::vector<Lie> lies = {
        {"a readable buffer", "wrong_direction",
         [](NetBench& b) { b.receive.chain().readable(pattern(200)).offer(); }},
        {"a readable buffer before a writable one", "wrong_direction",
         [](NetBench& b) { b.receive.chain().readable(pattern(4)).writable(200).offer(); }},
        {"no room for the header", "chain_too_short",
         [](NetBench& b) { b.receive.chain().writable(11).offer(); }},
        {"one byte", "chain_too_short", [](NetBench& b) { b.receive.chain().writable(1).offer(); }},
        {"a second buffer that is nowhere", "buffer_unmapped",
         [](NetBench& b) {
             b.receive.chain().writable(20).offer();
             b.receive.chain().piece({GuestAddress{0}, 200, true}).offer();
         }},
        {"an index that jumps when it is read again", "available_jump",
         [](NetBench& b) { b.receive.set_available_index(1000); }},
    };
    for (const Lie& lie : lies) {
        DYNAMIC_SECTION(lie.what) {
            NetBench bench;
            lie.tell(bench);
            CHECK(bench.wire.deliver(pattern(60)));  // dropped, not to be tried again
            bench.settle();
            CHECK(bench.broken_by(0) == lie.fault);
            CHECK(bench.receive_fds.error.take() == 1);
            CHECK_FALSE(bench.receive.take_used());
            bench.send(pattern(60));
            CHECK(bench.wire.sent.size() == 1);
        }
    }
}

TEST_CASE("hostile receive: the guest's file is cut short", "[device][net][hostile]") {
    NetBench bench;
    const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    // Rings and driver in the first pages; a buffer behind them.
    bench.receive.chain().writable(200).offer();
    bench.receive.chain()
        .piece({GuestAddress{GuestRam::default_base + 16 * page}, 200, true})
        .offer();
    CHECK(bench.wire.deliver(pattern(60)));
    bench.settle();
    CHECK(bench.receive.take_used());
    REQUIRE(::ftruncate(bench.ram.fd().get(), static_cast<off_t>(8 * page)) == 0);
    CHECK(bench.wire.deliver(pattern(60)));
    bench.settle();
    CHECK(bench.broken_by(0) == "memory_lost");
    CHECK(bench.receive_fds.error.take() == 1);
    CHECK_FALSE(bench.receive.take_used());
}

TEST_CASE("receive: a reflected frame is delivered while it is sent", "[device][net]") {
    NetBench bench;
    bench.wire.on_transmit = [&](const Frame& frame) {
        bench.wire.deliver({frame.bytes.begin(), frame.bytes.end()});
    };
    const auto offered = bench.receive.chain().writable(200).offer();
    bench.send(pattern(60));
    CHECK(reassemble(bench, {offered}).frame == pattern(60));
    CHECK(bench.transmit.take_used());
}
