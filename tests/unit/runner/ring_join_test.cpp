#include "labs/runner/ring_join.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "tracer/chain/format_error.h"

namespace skbtrail::labs {
namespace {

using Catch::Matchers::ContainsSubstring;

constexpr chain::Address page_offset = 0xffff888000000000;

/// A recording in which packets are handed to the ring, and the NIC's events.
struct Joined {
    chain::Recording recording;
    std::uint64_t sequence = 0;

    Joined() { recording.observed.page_offset = page_offset; }

    void transmit(chain::PacketId packet, chain::Address physical_head, std::uint32_t length = 98) {
        chain::Call call;
        call.function = "start_xmit.isra.0";
        call.module = "virtio_net";
        call.start = static_cast<chain::Nanoseconds>(1000 * (recording.chains.size() + 1));
        chain::SkbGeometry skb;
        skb.packet = packet;
        skb.head = page_offset + physical_head;
        skb.data = 18;
        skb.len = length;
        call.skbs.push_back(skb);
        chain::Chain chain;
        chain.root.function = "__x64_sys_sendto";
        chain.root.calls.push_back(call);
        recording.chains.push_back(chain);
    }
    chain::RingEvent& event(const char* kind, unsigned queue, unsigned head,
                            std::vector<chain::Descriptor> descriptors = {}) {
        chain::RingEvent event;
        event.sequence = ++sequence;
        event.queue = queue;
        event.event = kind;
        event.head = head;
        event.descriptors = std::move(descriptors);
        return recording.ring_events.emplace_back(event);
    }
    /// As virtio_net does: the header is pushed before the frame, into the same descriptor.
    void available(unsigned head, chain::Address physical_head, std::uint32_t length = 98) {
        event("available", 1, head, {{physical_head + 6, length + 12, false}});
    }
    std::optional<chain::PacketId> packet(std::size_t index) const {
        return recording.ring_events.at(index).packet;
    }
};

TEST_CASE("a descriptor carries the packet whose bytes it contains, and gives it back") {
    Joined joined;
    joined.transmit(7, 0x4000);
    joined.available(3, 0x4000);
    joined.event("kick", 1, 0);
    joined.event("used", 1, 3);
    const auto result = join_ring_events(joined.recording);
    CHECK(result.transmissions == 1);
    CHECK(result.joined == 1);
    CHECK(joined.packet(0) == 7U);
    CHECK_FALSE(joined.packet(1));
    CHECK(joined.packet(2) == 7U);
}

TEST_CASE("the fate of a transmitted packet names its descriptor") {
    Joined joined;
    auto& packet = joined.recording.packets.emplace_back();
    packet.id = 7;
    constexpr chain::Address clone = 0xffff888000a00100;
    packet.fates = {{"consumed", "tcp_ack", "", {}, 0, {}, "", clone + 256},
                    {"transmitted", "start_xmit", "", {}, 0, {}, "", clone}};
    packet.fate = packet.fates[1];
    joined.transmit(7, 0x4000);
    joined.recording.chains[0].root.calls[0].skbs[0].address = clone;
    joined.available(3, 0x4000);
    join_ring_events(joined.recording);
    CHECK(packet.fate.descriptor == 3U);
    CHECK(packet.fate.queue == 1U);
    CHECK(packet.fates[1].descriptor == 3U);
    CHECK_FALSE(packet.fates[0].descriptor);
}

TEST_CASE("of two NICs the one whose descriptor has the packet's address is named") {
    Joined joined;
    auto& packet = joined.recording.packets.emplace_back();
    packet.id = 7;
    constexpr chain::Address clone = 0xffff888000a00100;
    packet.fate = {"transmitted", "start_xmit", "", {}, 0, {}, "", clone};
    joined.transmit(7, 0x4000);
    joined.recording.chains[0].root.calls[0].skbs[0].address = clone;
    joined.available(3, 0x8000);
    joined.available(3, 0x4000);
    joined.recording.ring_events[1].nic = 1;
    joined.event("used", 1, 3);  // the first one's
    joined.event("used", 1, 3).nic = 1;
    join_ring_events(joined.recording);
    CHECK(packet.fate.nic == 1);
    CHECK(packet.fate.descriptor == 3U);
    CHECK_FALSE(joined.packet(0));
    CHECK(joined.packet(1) == 7U);
    CHECK_FALSE(joined.packet(2));
    CHECK(joined.packet(3) == 7U);
    CHECK(parse_ring_events("{\"sequence\":1,\"time\":5,\"queue\":1,\"event\":\"kick\"}\n", 2)
              .at(0)
              .nic == 2);
}

TEST_CASE("an address that goes from one NIC to the other is told apart by the host's clock") {
    Joined joined;
    joined.transmit(7, 0x4000);  // by the second NIC
    joined.transmit(8, 0x4000);  // by the first
    joined.available(3, 0x4000);
    joined.recording.ring_events[0].time = 20;
    joined.available(5, 0x4000);
    joined.recording.ring_events[1].time = 10;
    joined.recording.ring_events[1].nic = 1;
    CHECK(join_ring_events(joined.recording).joined == 2);
    CHECK(joined.packet(0) == 8U);
    CHECK(joined.packet(1) == 7U);
}

TEST_CASE("a header in a descriptor of its own does not matter") {
    Joined joined;
    joined.transmit(7, 0x4000);
    joined.event("available", 1, 0, {{0x9000, 12, false}, {0x4000 + 18, 98, false}});
    CHECK(join_ring_events(joined.recording).joined == 1);
}

TEST_CASE("an address that is used again is counted from the end") {
    Joined joined;
    joined.transmit(7, 0x4000);
    joined.transmit(8, 0x4000);
    joined.available(0, 0x4000);  // before the recording began
    joined.available(0, 0x4000);
    joined.available(0, 0x4000);
    CHECK(join_ring_events(joined.recording).joined == 2);
    CHECK_FALSE(joined.packet(0));
    CHECK(joined.packet(1) == 7U);
    CHECK(joined.packet(2) == 8U);
}

TEST_CASE("neither another queue, nor another address, nor a shorter descriptor will do") {
    Joined joined;
    joined.transmit(7, 0x4000);
    joined.event("available", 0, 0, {{0x4000, 1536, true}});  // a receive queue
    joined.available(1, 0x5000);
    joined.available(2, 0x4000, 60);
    const auto result = join_ring_events(joined.recording);
    CHECK(result.transmissions == 1);
    CHECK(result.joined == 0);
    for (std::size_t index = 0; index < 3; ++index) {
        CHECK_FALSE(joined.packet(index));
    }
}

TEST_CASE("start_xmit of another driver hands nothing to our ring") {
    Joined joined;
    joined.transmit(7, 0x4000);
    joined.recording.chains[0].root.calls[0].module = "veth";
    joined.available(0, 0x4000);
    CHECK(join_ring_events(joined.recording).transmissions == 0);
}

TEST_CASE("a packet arrived in the buffer that the device gave back last") {
    Joined joined;
    const auto arrive = [&joined](chain::PacketId id, chain::Address physical) {
        chain::Packet packet;
        packet.id = id;
        packet.first_seen = static_cast<chain::Nanoseconds>(1000 * id);
        packet.arrived_in = page_offset + physical;
        joined.recording.packets.push_back(packet);
    };
    const auto offered = [&joined](unsigned head, chain::Address physical) {
        joined.event("available", 0, head, {{physical, 1536, true}});
        joined.event("used", 0, head);
    };
    SECTION("after an earlier packet that was not recorded") {
        offered(1, 0x5000);
        offered(2, 0x5000);
        joined.event("available", 0, 3, {{0x5000, 1536, true}});  // the device still has it
        arrive(7, 0x5000);
        const auto result = join_ring_events(joined.recording);
        CHECK(result.arrivals == 1);
        CHECK(result.joined == 1);
        CHECK_FALSE(joined.packet(0));
        CHECK_FALSE(joined.packet(1));
        CHECK(joined.packet(2) == 7U);
        CHECK(joined.packet(3) == 7U);
        CHECK_FALSE(joined.packet(4));
    }
    SECTION("two in turn") {
        offered(1, 0x5000);
        offered(1, 0x5000);
        arrive(7, 0x5000);
        arrive(8, 0x5000);
        CHECK(join_ring_events(joined.recording).joined == 2);
        CHECK(joined.packet(1) == 7U);
        CHECK(joined.packet(3) == 8U);
    }
    SECTION("with room in front of what the device got") {
        offered(1, 0x5000 + 80);
        arrive(7, 0x5000);
        CHECK(join_ring_events(joined.recording).joined == 1);
    }
    SECTION("in pages, which the driver names by the first one's struct page") {
        joined.event("available", 0, 1, {{0x1f9b6000, 12, true}, {0x1f9b6020, 4064, true}});
        joined.event("used", 0, 1);
        chain::Packet packet;
        packet.id = 7;
        packet.arrived_in = 0xffffea00007e6d80;
        joined.recording.packets.push_back(packet);
        CHECK(join_ring_events(joined.recording).joined == 1);
        CHECK(joined.packet(1) == 7U);
    }
    SECTION("not in the buffer beside it") {
        offered(1, 0x5000 + 0x600);
        offered(2, 0x5000 - 0x600);
        arrive(7, 0x5000);
        CHECK(join_ring_events(joined.recording).joined == 0);
    }
}

TEST_CASE("without the direct map's start nothing is guessed") {
    Joined joined;
    joined.transmit(7, 0x4000);
    joined.available(0, 0x4000);
    joined.recording.observed.page_offset.reset();
    CHECK_FALSE(join_ring_events(joined.recording).note.empty());
    CHECK_FALSE(joined.packet(0));
}

TEST_CASE("ring events are read line by line") {
    const auto events = parse_ring_events(
        R"({"sequence":1,"time":5,"queue":1,"event":"available","index":0,"head":3,"descriptors":[{"address":"0x4006","length":110}]})"
        "\n"
        R"({"sequence":2,"time":6,"queue":1,"event":"kick"})"
        "\n"
        R"({"sequence":3,"time":7,"que)");
    REQUIRE(events.size() == 2);
    CHECK(events[0].descriptors.at(0).address == 0x4006);
    CHECK(parse_ring_events("").empty());
    CHECK_THROWS_WITH(parse_ring_events("{\"sequence\":1,\"time\":5,\"queue\":1,\"event\":\"kick\"}"
                                        "\nnonsense\n"),
                      ContainsSubstring("line 2"));
}

}  // namespace
}  // namespace skbtrail::labs
