// What packets look like, where some of it is told by another packet, or by nobody.

#include "tracer/following/known_packets.h"

#include <vector>

#include <arpa/inet.h>
#include <catch2/catch_test_macros.hpp>

using namespace skbtrail::tracer;

namespace {

/// A datagram from port 1 to port `port`, and what it carries.
void read(KnownPackets& known, skbtrail::chain::PacketId id, std::uint8_t port,
          const std::vector<std::uint8_t>& payload) {
    std::vector<std::uint8_t> bytes{0x45, 0, 0,  60, 0, 9, 0, 0, 64, 17,   0, 0,  10, 0,
                                    0,    1, 10, 0,  0, 2, 0, 1, 0,  port, 0, 40, 0,  0};
    bytes.insert(bytes.end(), payload.begin(), payload.end());
    skbtrail_event event{};
    event.protocol = htons(0x0800);
    event.flags = SKBTRAIL_EVENT_BYTES | SKBTRAIL_EVENT_DONE;
    known.read_headers(id, event, bytes);
}

}  // namespace

TEST_CASE("a packet that moved to another head carries what it carried") {
    KnownPackets known;
    const auto before = known.add(0x1000, 1);
    const auto after = known.add(0x2000, 2);
    const auto made = known.add(0x3000, 3);
    read(known, before, 7, {0xab, 0xcd});
    // Its address was changed meanwhile; the payload lies in a page.
    read(known, after, 8, {});
    known.has_pages(after);
    known.add_edge(after, before, "expand_head", "pskb_expand_head");
    read(known, made, 7, {});
    known.has_pages(made);
    known.add_edge(made, before, "segment", "skb_segment");
    CHECK(known.take(before).headers.at("payload") == "abcd");
    const auto moved = known.take(after).headers;
    CHECK(moved.at("payload") == "abcd");
    CHECK(moved.at("udp.destination") == "8");
    CHECK_FALSE(moved.contains("unread"));
    // A segment carries something else.
    const auto segment = known.take(made).headers;
    CHECK_FALSE(segment.contains("payload"));
    CHECK(segment.at("unread") == "payload");
}

TEST_CASE("what was read with a VLAN's tag in front is not forgotten where less is read without") {
    KnownPackets known;
    const auto id = known.add(0x1000, 1);
    std::vector<std::uint8_t> bytes{0x20, 7,  0x08, 0, 0x45, 0,  0, 60, 0, 9,  0,
                                    0,    64, 17,   0, 0,    10, 0, 0,  1, 10, 0,
                                    0,    2,  0,    1, 0,    7,  0, 40, 0, 0,  0xab};
    skbtrail_event event{};
    event.protocol = htons(0x8100);
    event.flags = SKBTRAIL_EVENT_BYTES | SKBTRAIL_EVENT_DONE;
    known.read_headers(id, event, bytes);
    event.protocol = htons(0x0800);
    known.read_headers(id, event, std::span(bytes).subspan(4, 20));
    const auto packet = known.take(id);
    CHECK(packet.headers.at("vlan.id") == "7");
    CHECK(packet.headers.at("ethertype") == "0x0800");
    CHECK(packet.headers.at("payload") == "ab");
    CHECK(packet.summary == "UDP 10.0.0.1:1 > 10.0.0.2:7");
}

TEST_CASE("a payload is said to be unread only where there are pages") {
    KnownPackets known;
    const auto linear = known.add(0x1000, 1);
    read(known, linear, 7, {});
    CHECK_FALSE(known.take(linear).headers.contains("unread"));
    const auto seen = known.add(0x1000, 2);
    read(known, seen, 7, {1});
    known.has_pages(seen);
    CHECK_FALSE(known.take(seen).headers.contains("unread"));
    const auto nothing = known.add(0x1000, 3);
    known.has_pages(nothing);
    CHECK(known.take(nothing).headers.empty());
}
