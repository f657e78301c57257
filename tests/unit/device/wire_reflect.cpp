// The reflecting wire, and the queue that all wires have in front of the guest.
#include <set>
#include <utility>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "device/wire/delivery_queue.h"
#include "device/wire/reflect.h"
#include "tests/unit/device/wire_guest.h"

namespace skbtrail::device {

using test::Bytes;
using test::WireGuest;

TEST_CASE("a reflected frame comes back with its addresses swapped and nothing else", "[wire]") {
    ReflectWire wire;
    WireGuest guest(wire);
    auto packet = test::echo(Tins::ICMP::ECHO_REQUEST, 7, 1);
    const Bytes sent = test::to_bytes(packet);
    guest.send(sent);

    REQUIRE(guest.received().size() == 1);
    const Bytes& back = guest.received().front();
    CHECK(guest.packet(0).dst_addr() == test::guest_mac);
    CHECK(guest.packet(0).src_addr() == test::gateway_mac);
    CHECK(std::equal(back.begin() + 12, back.end(), sent.begin() + 12, sent.end()));

    const auto counters = wire.counters();
    CHECK(counters.from_guest.frames == 1);
    CHECK(counters.from_guest.bytes == sent.size());
    CHECK(counters.to_guest.frames == 1);
    CHECK(counters.to_guest.bytes == sent.size());
}

TEST_CASE("a frame too short for two addresses and a type is dropped and counted", "[wire]") {
    ReflectWire wire;
    WireGuest guest(wire);
    for (std::size_t size = 0; size < 14; ++size) {
        guest.send(Bytes(size));
    }
    guest.send(Bytes(14));
    CHECK(guest.received().size() == 1);
    CHECK(wire.counters().from_guest.dropped == 14);
    CHECK(wire.counters().from_guest.frames == 1);
}

TEST_CASE("frames wait in order while the guest has no buffers", "[wire]") {
    ReflectWire wire;
    WireGuest guest(wire);
    guest.take_buffers();
    for (std::size_t size = 20; size < 25; ++size) {
        guest.send(Bytes(size));
    }
    CHECK(guest.received().empty());
    CHECK(wire.counters().waiting == 5);
    guest.give_buffers(2);
    CHECK(wire.counters().waiting == 3);
    // Buffers are there again, but the older frames go first.
    guest.send(Bytes(25));
    CHECK(wire.counters().waiting == 4);
    guest.give_buffers(100);
    REQUIRE(guest.received().size() == 6);
    for (std::size_t i = 0; i < 6; ++i) {
        CHECK(guest.received()[i].size() == 20 + i);
    }
    CHECK(wire.counters().waiting == 0);
    CHECK(wire.counters().to_guest.dropped == 0);
}

TEST_CASE("the queue is bounded in frames", "[wire]") {
    DeliveryQueue queue({.frames = 3, .bytes = 1000});
    for (int i = 0; i < 5; ++i) {
        queue.push(Frame{Bytes(10), {}});
    }
    CHECK(queue.waiting() == 3);
    CHECK(queue.counters().dropped == 2);
}

TEST_CASE("the queue is bounded in bytes", "[wire]") {
    DeliveryQueue queue({.frames = 100, .bytes = 25});
    std::size_t taken = 0;
    for (int i = 0; i < 5; ++i) {
        queue.push(Frame{Bytes(10), {}});
    }
    CHECK(queue.waiting() == 2);
    CHECK(queue.counters().dropped == 3);
    queue.attach([&taken](const Frame& frame) {
        taken += frame.bytes.size();
        return true;
    });
    queue.drain();
    CHECK(taken == 20);
    CHECK(queue.waiting() == 0);
    // The bytes are given back: as much fits as before.
    queue.attach([](const Frame&) { return false; });
    queue.push(Frame{Bytes(10), {}});
    queue.push(Frame{Bytes(10), {}});
    CHECK(queue.waiting() == 2);
}

TEST_CASE("a queue pair without buffers holds up no other", "[wire]") {
    DeliveryQueue queue({.frames = 2, .bytes = 1000});
    std::set<unsigned> starved;
    std::vector<std::pair<unsigned, std::size_t>> order;
    queue.attach([&](const Frame& frame) -> Delivery {
        if (starved.contains(frame.queue_pair)) {
            return {false, frame.queue_pair};
        }
        order.emplace_back(frame.queue_pair, frame.bytes.size());
        return true;
    });
    const auto push = [&queue](unsigned pair, std::size_t size) {
        queue.push(Frame{Bytes(size), {}, pair});
    };
    using Order = decltype(order);
    starved = {1};
    push(1, 14);
    push(0, 15);
    push(1, 16);
    push(2, 17);
    CHECK(order == Order{{0, 15}, {2, 17}});
    CHECK(queue.waiting() == 2);
    // Its own room is full, and nobody else's.
    push(1, 18);
    CHECK(queue.counters().dropped == 1);
    starved = {0, 1};
    push(0, 19);
    CHECK(queue.waiting() == 3);
    CHECK(queue.counters().dropped == 1);
    order.clear();
    starved = {0};
    queue.drain();
    CHECK(order == Order{{1, 14}, {1, 16}});
    CHECK(queue.waiting() == 1);
    starved = {};
    queue.drain();
    CHECK(order.back() == Order::value_type{0, 19});
    CHECK(queue.waiting() == 0);
    CHECK(queue.counters().frames == 5);
}

TEST_CASE("what waits for a guest that has left is dropped and counted", "[wire]") {
    ReflectWire wire;
    WireGuest guest(wire);
    guest.take_buffers();
    guest.send(Bytes(60));
    guest.send(Bytes(60));
    wire.on_guest_left();
    CHECK(wire.counters().waiting == 0);
    CHECK(wire.counters().to_guest.dropped == 2);
    guest.give_buffers(10);
    CHECK(guest.received().empty());
}

TEST_CASE("a frame pushed while another is delivered goes after it", "[wire]") {
    DeliveryQueue queue;
    std::vector<std::size_t> order;
    queue.attach([&](const Frame& frame) {
        if (frame.bytes.size() == 1) {
            queue.push(Frame{Bytes(2), {}});
            queue.drain();  // as a NIC might, that finds a buffer meanwhile
        }
        order.push_back(frame.bytes.size());
        return true;
    });
    queue.push(Frame{Bytes(1), {}});
    CHECK(order == std::vector<std::size_t>{1, 2});
}

}  // namespace skbtrail::device
