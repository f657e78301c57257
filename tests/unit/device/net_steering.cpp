// Conversations, and the pairs that receive them.

#include <set>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "device/net/flow.h"
#include "device/net/steered_port.h"
#include "device/net/steering.h"
#include "tests/unit/device/back_end.h"
#include "tests/unit/device/octets.h"

using namespace skbtrail::device;
using namespace skbtrail::device::test;

namespace {

void append(Bytes& to, const Bytes& from) {
    to.insert(to.end(), from.begin(), from.end());
}

/// An Ethernet frame with UDP or TCP over IPv4 between two hosts 10.0.0.x.
Bytes ipv4(unsigned from, unsigned to, unsigned from_port, unsigned to_port, unsigned protocol = 17,
           unsigned fragment = 0, const Bytes& tags = {}) {
    Bytes frame(12);
    append(frame, tags);
    append(frame, octets({0x08, 0x00}));
    append(
        frame,
        octets({0x45, 0,    0,  60, 0, 0, fragment >> 8, fragment & 0xff, 64, protocol, 0, 0, 10, 0,
                0,    from, 10, 0,  0, to}));
    append(frame, octets({from_port >> 8, from_port & 0xff, to_port >> 8, to_port & 0xff}));
    frame.resize(74);
    return frame;
}

Bytes ipv6(unsigned from, unsigned to, unsigned from_port, unsigned to_port) {
    Bytes frame(12);
    append(frame, octets({0x86, 0xdd, 0x60, 0, 0, 0, 0, 20, 6, 64}));
    for (const unsigned host : {from, to}) {
        Bytes address(16);
        address.back() = static_cast<std::byte>(host);
        append(frame, address);
    }
    append(frame, octets({from_port >> 8, from_port & 0xff, to_port >> 8, to_port & 0xff}));
    frame.resize(74);
    return frame;
}

}  // namespace

TEST_CASE("flow: both directions are one conversation", "[device][steering]") {
    CHECK(flow_of(ipv4(1, 2, 1000, 80)) == flow_of(ipv4(2, 1, 80, 1000)));
    CHECK(flow_of(ipv6(1, 2, 1000, 80)) == flow_of(ipv6(2, 1, 80, 1000)));
    REQUIRE(flow_of(ipv6(1, 2, 1000, 80)));
}

TEST_CASE("flow: what tells conversations apart", "[device][steering]") {
    std::set<std::uint64_t> flows;
    const auto add = [&](const Bytes& frame) {
        const auto flow = flow_of(frame);
        REQUIRE(flow);
        flows.insert(*flow);
    };
    add(ipv4(1, 2, 1000, 80));
    add(ipv4(1, 3, 1000, 80));
    add(ipv4(1, 2, 1001, 80));
    add(ipv4(1, 2, 80, 1000));  // the ports belong to their ends
    add(ipv4(1, 2, 1000, 80, 6));
    add(ipv6(1, 2, 1000, 80));
    add(ipv6(1, 2, 1000, 81));
    CHECK(flows.size() == 7);
    // Without ports: other protocols and fragments, of which only the first has them.
    CHECK(flow_of(ipv4(1, 2, 1000, 80, 1)) == flow_of(ipv4(1, 2, 5, 6, 1)));
    CHECK(flow_of(ipv4(1, 2, 1000, 80, 17, 0x2000)) == flow_of(ipv4(1, 2, 5, 6, 17, 185)));
    CHECK(flow_of(ipv4(1, 2, 1000, 80, 17, 0x4000)) == flow_of(ipv4(1, 2, 1000, 80)));  // DF
}

TEST_CASE("flow: under VLAN tags", "[device][steering]") {
    const Bytes one = octets({0x81, 0x00, 0, 5});
    Bytes two = octets({0x88, 0xa8, 0, 7});
    append(two, one);
    Bytes three = two;
    append(three, one);
    CHECK(flow_of(ipv4(1, 2, 3, 4, 17, 0, one)) == flow_of(ipv4(1, 2, 3, 4)));
    CHECK(flow_of(ipv4(1, 2, 3, 4, 17, 0, two)) == flow_of(ipv4(1, 2, 3, 4)));
    CHECK_FALSE(flow_of(ipv4(1, 2, 3, 4, 17, 0, three)));
}

TEST_CASE("flow: frames that are cut short or lie", "[device][steering][hostile]") {
    const Bytes tag = octets({0x81, 0x00, 0, 5});
    for (const Bytes& whole : {ipv4(1, 2, 3, 4), ipv6(1, 2, 3, 4), ipv4(1, 2, 3, 4, 6, 0, tag)}) {
        for (std::size_t length = 0; length <= whole.size(); ++length) {
            // From a block of its own: the address sanitizer sees a read past the end.
            const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
            flow_of(cut);
        }
    }
    CHECK_FALSE(flow_of(Bytes{}));
    CHECK_FALSE(flow_of(Bytes(60)));
    Bytes lies = ipv4(1, 2, 3, 4);
    lies[14] = std::byte{0x4f};  // a header of 60 bytes: the ports are past the end
    CHECK(flow_of(lies));
    lies[14] = std::byte{0x65};  // version 6
    CHECK_FALSE(flow_of(lies));
}

TEST_CASE("steering: to the pair on which the driver sent last", "[device][steering]") {
    Steering steering;
    const Bytes sent = ipv4(1, 2, 1000, 80);
    const Bytes answer = ipv4(2, 1, 80, 1000);
    steering.note_sent(sent, 3);
    CHECK(steering.choose(answer, 4) == 3);
    steering.note_sent(sent, 2);
    CHECK(steering.choose(answer, 4) == 2);
    CHECK(steering.choose(answer, 2) < 2);  // pair 2 receives no more
    CHECK(steering.choose(answer, 1) == 0);
    steering.note_sent(Bytes(60), 3);  // no conversation
    CHECK(steering.choose(Bytes(60), 4) == 0);
}

TEST_CASE("steering: unknown conversations are spread, each to one pair", "[device][steering]") {
    const Steering steering;
    std::vector<unsigned> frames(4);
    for (unsigned port = 0; port < 400; ++port) {
        const Bytes frame = ipv4(2, 1, 80, 1000 + port);
        const unsigned pair = steering.choose(frame, 4);
        REQUIRE(pair < 4);
        CHECK(steering.choose(frame, 4) == pair);
        ++frames[pair];
    }
    for (const unsigned count : frames) {
        CHECK(count > 60);
    }
}

TEST_CASE("steering: forgotten with the driver", "[device][steering]") {
    Steering steering;
    // A conversation that is spread elsewhere than where it was sent.
    Bytes frame;
    for (unsigned port = 1; frame.empty(); ++port) {
        if (steering.choose(ipv4(1, 2, port, 80), 4) != 3) {
            frame = ipv4(1, 2, port, 80);
        }
    }
    steering.note_sent(frame, 3);
    CHECK(steering.choose(frame, 4) == 3);
    steering.forget();
    CHECK(steering.choose(frame, 4) != 3);
}

TEST_CASE("steering: a queue's port says of the wire what the wire says", "[device][steering]") {
    struct CutsIpv6 final : BenchWire {
        bool takes_segments(std::uint8_t gso_type) const override { return gso_type == gso_tcp4; }
    };
    CutsIpv6 wire;
    Steering steering;
    const SteeredPort port(wire, steering, 1);
    CHECK_FALSE(port.takes_offloads());
    CHECK(port.takes_segments(gso_tcp4));
    CHECK_FALSE(port.takes_segments(gso_tcp6));
}

TEST_CASE("multi-queue: a device with four pairs, of which a driver uses two",
          "[device][steering]") {
    BackEnd back_end({}, 4);
    GuestRam ram;
    std::vector<std::unique_ptr<FakeDriver>> drivers;
    std::vector<QueueEvents> events(4);
    FakeFrontEnd front_end = back_end.connect();
    CHECK((front_end.ask(Request::get_features).u64() & feature_mq) != 0);
    negotiate(front_end, usual_protocol, bench_features | feature_mq | protocol_features_bit);
    CHECK(front_end.ask(Request::get_queue_num).u64() == 4);
    front_end.send(Request::set_mem_table, memory_table(ram), {ram.fd().get()});
    for (std::uint32_t queue = 0; queue < 4; ++queue) {
        drivers.push_back(std::make_unique<FakeDriver>(ram, 16));
        start_queue(front_end, queue, *drivers.back(), events[queue]);
    }
    for (const unsigned queue : {0U, 2U}) {
        for (int i = 0; i < 8; ++i) {
            drivers[queue]->chain().writable(2000).offer();
        }
    }
    const auto send = [&](unsigned queue, const Bytes& frame) {
        drivers[queue]->chain().readable(NetHeaderBytes{}).readable(frame).offer();
        events[queue].kick.signal();
        front_end.settle();
        REQUIRE(drivers[queue]->take_used());
    };
    const auto received_on = [&](const Bytes& frame) -> unsigned {
        REQUIRE(back_end.wire.deliver(frame));
        front_end.settle();
        const bool first = drivers[0]->take_used().has_value();
        const bool second = drivers[2]->take_used().has_value();
        REQUIRE(first != second);
        return second ? 2 : 0;
    };
    send(1, ipv4(1, 2, 1000, 80));
    send(3, ipv4(1, 2, 1001, 80));
    CHECK(back_end.wire.sent.size() == 2);
    CHECK(received_on(ipv4(2, 1, 80, 1000)) == 0);
    CHECK(received_on(ipv4(2, 1, 80, 1001)) == 2);
    send(3, ipv4(1, 2, 1000, 80));  // the conversation moves to another processor
    CHECK(received_on(ipv4(2, 1, 80, 1000)) == 2);
    CHECK(received_on(Bytes(60)) == 0);
    // A wire that has queues of its own knows better, as long as there is such a pair.
    const auto arrives_on = [&](const Bytes& frame, unsigned pair) -> unsigned {
        REQUIRE(back_end.wire.deliver_to(pair, frame));
        front_end.settle();
        return drivers[2]->take_used() ? 2 : (drivers[0]->take_used() ? 0 : 99);
    };
    CHECK(arrives_on(ipv4(2, 1, 80, 1000), 0) == 0);
    CHECK(arrives_on(ipv4(2, 1, 80, 1000), 1) == 2);
    CHECK(arrives_on(ipv4(2, 1, 80, 1000), 3) == 2);
    // One pair has no buffers left: the wire hears which, and the other goes on.
    while (back_end.wire.deliver_to(1, Bytes(60))) {
        front_end.settle();
    }
    const Delivery starved = back_end.wire.offer_to(1, Bytes(60));
    CHECK_FALSE(starved);
    CHECK(starved.starved_pair == 1);
    CHECK(back_end.wire.deliver_to(0, Bytes(60)));
    front_end.settle();
    for (const unsigned queue : {0U, 2U}) {
        while (drivers[queue]->take_used()) {
        }
    }
    // The driver goes back to one pair.
    front_end.send_value(Request::set_vring_enable, VringState{2, 0});
    CHECK(received_on(ipv4(2, 1, 80, 1000)) == 0);

    // More rings than pairs.
    CHECK(front_end.acknowledge(Request::set_vring_num, VringState{7, 16}) == 0);
    CHECK(front_end.acknowledge(Request::set_vring_num, VringState{8, 16}) != 0);
    CHECK(front_end.acknowledge(Request::set_vring_enable, VringState{8, 1}) != 0);
}

TEST_CASE("multi-queue: eight pairs, all of them used", "[device][steering]") {
    constexpr std::uint32_t pairs = 8;
    BackEnd back_end({}, pairs);
    GuestRam ram;
    std::vector<std::unique_ptr<FakeDriver>> drivers;
    std::vector<QueueEvents> events(2 * pairs);
    FakeFrontEnd front_end = back_end.connect();
    negotiate(front_end, usual_protocol, bench_features | feature_mq | protocol_features_bit);
    CHECK(front_end.ask(Request::get_queue_num).u64() == pairs);
    front_end.send(Request::set_mem_table, memory_table(ram), {ram.fd().get()});
    for (std::uint32_t queue = 0; queue < 2 * pairs; ++queue) {
        drivers.push_back(std::make_unique<FakeDriver>(ram, 16));
        start_queue(front_end, queue, *drivers.back(), events[queue]);
        REQUIRE(back_end.state(queue) == Virtqueue::State::running);
    }
    std::vector<unsigned> sent_on;
    back_end.wire.on_transmit = [&](const Frame& frame) { sent_on.push_back(frame.queue_pair); };
    // A conversation on each pair; what is answered comes back to where it was sent.
    for (unsigned pair = 0; pair < pairs; ++pair) {
        drivers[2 * pair + 1]
            ->chain()
            .readable(NetHeaderBytes{})
            .readable(ipv4(1, 2, 1000 + pair, 80))
            .offer();
        events[2 * pair + 1].kick.signal();
        front_end.settle();
        CHECK(drivers[2 * pair + 1]->take_used());
        CHECK(sent_on.back() == pair);
    }
    CHECK(sent_on.size() == pairs);
    for (unsigned pair = 0; pair < pairs; ++pair) {
        for (const bool hinted : {false, true}) {
            for (unsigned each = 0; each < pairs; ++each) {
                drivers[2 * each]->chain().writable(2000).offer();
            }
            const Bytes answer = ipv4(2, 1, 80, 1000 + pair);
            // A wire with queues of its own may know better.
            const unsigned expected = hinted ? pairs - 1 - pair : pair;
            CHECK((hinted ? back_end.wire.deliver_to(expected, answer)
                          : back_end.wire.deliver(answer)));
            front_end.settle();
            for (unsigned each = 0; each < pairs; ++each) {
                CHECK(drivers[2 * each]->take_used().has_value() == (each == expected));
            }
        }
    }
    CHECK(front_end.acknowledge(Request::set_vring_num, VringState{2 * pairs, 16}) != 0);
}
