// The wires that end here: the one that swallows, and the one that makes traffic.
#include <set>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <tins/udp.h>

#include "device/wire/factory.h"
#include "device/wire/generated_frames.h"
#include "device/wire/sink.h"
#include "tests/unit/device/wire_guest.h"

namespace skbtrail::device {

using test::Bytes;
using test::run_until;
using test::WireGuest;

namespace {

/// The 16-bit sum of RFC 1071: 0xffff over a header with its checksum.
std::uint32_t sum_of(std::span<const std::byte> bytes, std::uint32_t sum = 0) {
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        sum += std::to_integer<std::uint32_t>(bytes[i]) << (i % 2 == 0 ? 8 : 0);
    }
    while (sum >> 16 != 0) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

}  // namespace

TEST_CASE("a sink counts and says nothing", "[wire]") {
    SinkWire wire;
    WireGuest guest(wire);
    guest.send(Bytes(60));
    guest.send(Bytes(1500));
    guest.give_buffers(10);
    CHECK(guest.received().empty());
    CHECK(wire.counters().from_guest.frames == 2);
    CHECK(wire.counters().from_guest.bytes == 1560);
    CHECK(wire.counters().from_guest.dropped == 0);
}

TEST_CASE("generated frames are whole UDP packets of their size", "[wire][generate]") {
    GeneratedTraffic traffic;
    traffic.sizes = {60, 64, 65, 1514, 65549};
    auto frames = GeneratedFrames::make(traffic);
    REQUIRE(frames);
    CHECK(frames->cycle() == 5);
    for (const std::size_t size : traffic.sizes) {
        const auto bytes = frames->front();
        frames->advance();
        REQUIRE(bytes.size() == size);
        CHECK(sum_of(bytes.subspan(14, 20)) == 0xffff);
        const auto datagram = bytes.subspan(34);
        // The pseudo header: both addresses, the protocol, the length.
        const std::uint32_t pseudo =
            sum_of(bytes.subspan(26, 8), 17 + static_cast<std::uint32_t>(datagram.size()));
        CHECK(sum_of(datagram, pseudo) == 0xffff);
        const Tins::EthernetII packet(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                      static_cast<std::uint32_t>(bytes.size()));
        CHECK(packet.rfind_pdu<Tins::IP>().src_addr() == "198.18.0.1");
        CHECK(packet.rfind_pdu<Tins::IP>().dst_addr() == "198.18.0.2");
        CHECK(packet.rfind_pdu<Tins::UDP>().dport() == 9);
        CHECK(packet.rfind_pdu<Tins::UDP>().length() == datagram.size());
    }
    CHECK(frames->front().size() == 60);
}

TEST_CASE("every flow gets frames of every size", "[wire][generate]") {
    GeneratedTraffic traffic;
    traffic.sizes = {60, 100, 200};
    traffic.flows = 4;
    auto frames = GeneratedFrames::make(traffic);
    REQUIRE(frames);
    CHECK(frames->cycle() == 12);
    std::set<std::pair<std::size_t, std::uint16_t>> seen;
    for (std::size_t i = 0; i < 12; ++i) {
        const auto bytes = frames->front();
        const auto port = static_cast<std::uint16_t>(std::to_integer<unsigned>(bytes[34]) << 8 |
                                                     std::to_integer<unsigned>(bytes[35]));
        CHECK(port == 1024 + i % 4);
        seen.emplace(bytes.size(), port);
        frames->advance();
    }
    CHECK(seen.size() == 12);
}

TEST_CASE("generate makes nothing before the guest is ready, and then all it was told",
          "[wire][generate]") {
    EventLoop loop;
    const auto wire = make_wire("generate,count=2000,size=100", loop);
    WireGuest guest(*wire);
    CHECK_FALSE(loop.turn(std::chrono::milliseconds(20)));
    CHECK(guest.received().empty());
    guest.give_buffers(5000);
    // A turn has a bound: others want theirs.
    CHECK(guest.received().size() == 512);
    REQUIRE(run_until(loop, [&] { return guest.received().size() == 2000; }));
    CHECK_FALSE(loop.turn(std::chrono::milliseconds(20)));
    guest.give_buffers(5000);
    CHECK(guest.received().size() == 2000);
    const auto counters = wire->counters();
    CHECK(counters.to_guest.frames == 2000);
    CHECK(counters.to_guest.bytes == 200'000);
    CHECK(counters.to_guest.dropped == 0);
}

TEST_CASE("without buffers generate sleeps and loses nothing", "[wire][generate]") {
    EventLoop loop;
    const auto wire = make_wire("generate,flows=1000", loop);
    WireGuest guest(*wire);
    guest.give_buffers(100);
    CHECK(guest.received().size() == 100);
    CHECK_FALSE(loop.turn(std::chrono::milliseconds(20)));
    guest.give_buffers(150);
    REQUIRE(guest.received().size() == 250);
    for (std::size_t i = 0; i < 250; ++i) {
        CHECK(guest.packet(i).rfind_pdu<Tins::UDP>().sport() == 1024 + i);
    }
    CHECK(wire->counters().to_guest.frames == 250);
    CHECK(wire->counters().to_guest.dropped == 0);
}

TEST_CASE("generate stops when the guest stops, and starts again with it", "[wire][generate]") {
    EventLoop loop;
    const auto wire = make_wire("generate", loop);
    std::size_t taken = 0;
    std::size_t stop_at = 100;
    wire->attach([&](const Frame&) {
        if (++taken == stop_at) {
            wire->on_receive_stopped();
        }
        return true;
    });
    wire->on_receive_ready();
    CHECK(taken == 100);
    CHECK_FALSE(loop.turn(std::chrono::milliseconds(20)));
    CHECK(taken == 100);
    stop_at = 200;
    wire->on_receive_ready();
    CHECK(taken == 200);
    CHECK_FALSE(loop.turn(std::chrono::milliseconds(20)));
    // The frames at which the guest stopped did not reach it.
    CHECK(wire->counters().to_guest.frames == 198);
}

TEST_CASE("generate keeps its rate", "[wire][generate]") {
    EventLoop loop;
    const auto wire = make_wire("generate,rate=2000,count=600", loop);
    WireGuest guest(*wire);
    const auto start = EventLoop::Clock::now();
    guest.give_buffers(1000);
    REQUIRE(run_until(loop, [&] { return guest.received().size() == 600; }));
    const std::chrono::duration<double> took = EventLoop::Clock::now() - start;
    // Not faster; slower only as far as a busy machine makes it so.
    CHECK(took.count() >= 0.29);
    CHECK_FALSE(loop.turn(std::chrono::milliseconds(20)));
}

TEST_CASE("at a rate, what the guest has no buffers for is lost and counted", "[wire][generate]") {
    EventLoop loop;
    const auto wire = make_wire("generate,rate=1000000,count=100000", loop);
    WireGuest guest(*wire);
    guest.give_buffers(10);
    REQUIRE(run_until(loop, [&] { return wire->counters().to_guest.dropped >= 90'000; }));
    CHECK(guest.received().size() == 10);
    guest.give_buffers(1'000'000);
    REQUIRE(run_until(loop, [&] {
        const auto counters = wire->counters().to_guest;
        return counters.frames + counters.dropped == 100'000;
    }));
    CHECK(wire->counters().to_guest.frames == guest.received().size());
}

TEST_CASE("generated frames go to the guest's address as soon as it is known", "[wire][generate]") {
    EventLoop loop;
    const bool fixed = GENERATE(false, true);
    const auto wire = make_wire(fixed ? "generate,mac=02:00:00:00:00:77" : "generate", loop);
    const std::string before = fixed ? "02:00:00:00:00:77" : "ff:ff:ff:ff:ff:ff";
    WireGuest guest(*wire);
    guest.give_buffers(1);
    CHECK(guest.packet(0).dst_addr() == before);
    guest.send(test::echo(Tins::ICMP::ECHO_REQUEST, 1, 1));
    guest.give_buffers(1);
    CHECK(guest.packet(1).dst_addr() == (fixed ? before : test::guest_mac));
    guest.send(Bytes(3));
    guest.send(Bytes(60));  // from 00:00:00:00:00:00, which no station has
    wire->on_guest_left();
    guest.give_buffers(1);
    CHECK(guest.packet(2).dst_addr() == before);
    CHECK(wire->counters().from_guest.frames == 3);
}

namespace {

/// A guest with one queue for even ports and one for odd ports, of which the first has no buffers.
struct HalfStarved {
    explicit HalfStarved(Wire& wire) {
        wire.attach([this](const Frame& frame) {
            const bool odd = (std::to_integer<unsigned>(frame.bytes[35]) & 1) != 0;
            ++(odd ? delivered : refused);
            return odd;
        });
        wire.on_receive_ready();
    }
    std::uint64_t delivered = 0;
    std::uint64_t refused = 0;
};

}  // namespace

TEST_CASE("a queue without buffers does not hold up generate on the others", "[wire][generate]") {
    EventLoop loop;
    SECTION("as fast as possible: the others go on, and nothing is lost") {
        const auto wire = make_wire("generate,flows=4,count=1000", loop);
        HalfStarved guest(*wire);
        REQUIRE(run_until(loop, [&] { return guest.delivered == 1000; }));
        CHECK(guest.refused > 0);
        CHECK(wire->counters().to_guest.frames == 1000);
        CHECK(wire->counters().to_guest.dropped == 0);
    }
    SECTION("at a rate: each has its share, and the others' is lost") {
        const auto wire = make_wire("generate,flows=4,rate=20000,count=1000", loop);
        HalfStarved guest(*wire);
        REQUIRE(run_until(loop, [&] {
            return wire->counters().to_guest.frames + wire->counters().to_guest.dropped >= 999;
        }));
        CHECK(guest.delivered >= 490);
        CHECK(guest.delivered <= 510);
        CHECK(wire->counters().to_guest.frames == guest.delivered);
    }
}

}  // namespace skbtrail::device
