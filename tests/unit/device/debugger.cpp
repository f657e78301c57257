// Pausing, stepping, breakpoints, held frames: on a device with a driver at both queues.

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "device/control/breakpoint.h"
#include "device/control/oversight.h"
#include "tests/unit/device/contains.h"
#include "tests/unit/device/net_bench.h"

using namespace skbtrail::device;
using namespace skbtrail::device::test;

namespace {

std::string refused_breakpoint(std::vector<std::string> conditions) {
    const auto breakpoint = Breakpoint::parse(conditions);
    REQUIRE_FALSE(breakpoint);
    return breakpoint.error().message;
}

/// An ARP request and an IPv4 UDP packet, as far as their headers go.
std::vector<std::byte> frame_of(std::uint16_t ethertype, std::size_t length = 60) {
    std::vector<std::byte> frame(length);
    frame[12] = static_cast<std::byte>(ethertype >> 8);
    frame[13] = static_cast<std::byte>(ethertype & 0xff);
    if (ethertype == 0x0800) {
        frame[14] = std::byte{0x45};
        frame[17] = std::byte{46};
        frame[22] = std::byte{64};
        frame[23] = std::byte{17};
    }
    return frame;
}

struct Debugged {
    NetBench bench;
    FaultSet faults{1};
    Oversight oversight{bench.loop, *bench.device, faults};
    std::vector<Debugger::Stop> stops;

    Debugged() {
        oversight.on_stop([this](const Debugger::Stop& stop) { stops.push_back(stop); });
    }
    Debugger& debugger() { return oversight.debugger(); }
    /// Offers frames without a kick.
    void offer(int count, const std::vector<std::byte>& frame = frame_of(0x0806)) {
        for (int i = 0; i < count; ++i) {
            bench.transmit.chain().readable(NetHeaderBytes{}).readable(frame).offer();
        }
    }
    void add(std::vector<std::string> conditions) {
        must(debugger().add(must(Breakpoint::parse(conditions))));
        oversight.changed();
    }
};

}  // namespace

TEST_CASE("breakpoint: conditions as they are written", "[device][control]") {
    const auto parsed = [](std::vector<std::string> conditions) {
        return must(Breakpoint::parse(conditions));
    };
    const auto frame = frame_of(0x0800);
    const ChainSight sight{7, 3, frame};
    using enum QueueMoment;
    CHECK(parsed({"queue=1"}).matches(1, available, &sight));
    CHECK_FALSE(parsed({"queue=1"}).matches(0, available, &sight));
    CHECK_FALSE(parsed({"queue=1"}).matches(1, kick, nullptr));
    CHECK(parsed({"head=3", "index=7"}).matches(5, available, &sight));
    CHECK_FALSE(parsed({"head=4"}).matches(5, available, &sight));
    CHECK(parsed({"index>6"}).matches(5, available, &sight));
    CHECK_FALSE(parsed({"index<7"}).matches(5, available, &sight));
    CHECK(parsed({"length>=60"}).matches(5, available, &sight));
    CHECK(parsed({"length<=60"}).matches(5, available, &sight));
    CHECK_FALSE(parsed({"length>60"}).matches(5, available, &sight));
    CHECK(parsed({"ethertype=0x0800", "ip.protocol=17"}).matches(5, available, &sight));
    CHECK(parsed({"ip.protocol=udp"}).matches(5, available, &sight));
    CHECK_FALSE(parsed({"ip.protocol=tcp"}).matches(5, available, &sight));
    CHECK(parsed({"event=call"}).matches(1, call, nullptr));
    CHECK_FALSE(parsed({"event=call"}).matches(1, call_suppressed, nullptr));
    CHECK(parsed({"event=used", "head=3"}).matches(1, used, &sight));
}

TEST_CASE("breakpoint: each mistake is named", "[device][control]") {
    CHECK(contains(refused_breakpoint({}), "needs a condition"));
    CHECK(contains(refused_breakpoint({"queue"}), "no condition"));
    CHECK(contains(refused_breakpoint({"=1"}), "no condition"));
    CHECK(contains(refused_breakpoint({"queeu=1"}), "did you mean \"queue\"?"));
    CHECK(contains(refused_breakpoint({"queue=x"}), "a number from 0 to"));
    CHECK(contains(refused_breakpoint({"queue=99999999999999999999"}), "a number from 0 to"));
    CHECK(contains(refused_breakpoint({"queue<2"}), "only be compared with ="));
    CHECK(contains(refused_breakpoint({"head=70000"}), "65535"));
    CHECK(contains(refused_breakpoint({"length=5", "length=6"}), "twice"));
    CHECK(contains(refused_breakpoint({"event=kikc"}), "did you mean \"kick\"?"));
    CHECK(contains(refused_breakpoint({"event=kick", "head=1"}), "about no chain"));
    CHECK(contains(refused_breakpoint({"event=used", "length=60"}), "before they have an effect"));
    CHECK(contains(refused_breakpoint({"ip.protocol=400"}), "ip.protocol is"));
    CHECK(contains(refused_breakpoint({"ip.protocol>1"}), "only be compared with ="));
}

TEST_CASE("debugger: costs nothing until it has something to say", "[device][control]") {
    Debugged d;
    CHECK_FALSE(d.debugger().active());
    d.offer(3);
    d.bench.kick(1);
    // One batch: nobody looked at each chain.
    CHECK(d.bench.device->queue(1).batch_sizes().counts()[2] == 1);
    d.add({"head=900"});
    d.offer(2);
    d.bench.kick(1);
    CHECK(d.bench.device->queue(1).batch_sizes().counts()[0] == 2);
    d.debugger().clear();
    d.oversight.changed();
    d.offer(3);
    d.bench.kick(1);
    CHECK(d.bench.device->queue(1).batch_sizes().counts()[2] == 2);
    CHECK(d.bench.wire.sent.size() == 8);
}

TEST_CASE("debugger: paused, stepped, resumed", "[device][control]") {
    Debugged d;
    d.debugger().pause(1);
    d.oversight.changed();
    d.offer(5);
    d.bench.kick(1);
    CHECK(d.bench.wire.sent.empty());
    CHECK(d.debugger().view(1).paused);
    CHECK(d.debugger().view(1).asked);
    CHECK_FALSE(d.debugger().view(0).paused);
    d.debugger().step(1, 1);
    CHECK(d.bench.wire.sent.size() == 1);
    CHECK(d.bench.transmit.used_index() == 1);
    d.debugger().step(1, 2);
    CHECK(d.bench.wire.sent.size() == 3);
    CHECK(d.debugger().view(1).paused);
    d.debugger().resume(1);
    d.oversight.changed();
    CHECK(d.bench.wire.sent.size() == 5);
    CHECK_FALSE(d.debugger().active());
}

TEST_CASE("debugger: a step that finds nothing waits for a chain", "[device][control]") {
    Debugged d;
    d.debugger().pause(1);
    d.oversight.changed();
    d.debugger().step(1, 2);
    CHECK(d.debugger().view(1).steps == 2);
    d.offer(3);
    d.bench.kick(1);
    CHECK(d.bench.wire.sent.size() == 2);
}

TEST_CASE("debugger: to the next notification", "[device][control]") {
    Debugged d;
    d.debugger().pause(1);
    d.oversight.changed();
    d.offer(5);
    d.bench.kick(1);
    d.debugger().step_to_notification(1);
    REQUIRE(d.stops.size() == 1);
    CHECK(d.stops[0].queue == 1);
    CHECK(d.stops[0].moment == QueueMoment::call);
    CHECK_FALSE(d.stops[0].breakpoint);
    CHECK(d.bench.wire.sent.size() == 1);
    CHECK(d.debugger().view(1).paused);
    d.debugger().step_to_notification(1);
    CHECK(d.bench.wire.sent.size() == 2);
    REQUIRE(d.stops.size() == 2);
    CHECK(d.stops[1].moment == QueueMoment::call_suppressed);
}

TEST_CASE("debugger: stops before the frame that was asked for, and steps over it",
          "[device][control]") {
    Debugged d;
    d.add({"ethertype=0x0800"});
    d.offer(2);
    d.offer(1, frame_of(0x0800, 100));
    d.offer(2);
    d.bench.kick(1);
    CHECK(d.bench.wire.sent.size() == 2);
    REQUIRE(d.stops.size() == 1);
    CHECK(d.stops[0].queue == 1);
    CHECK(d.stops[0].moment == QueueMoment::available);
    CHECK(d.stops[0].breakpoint == 1U);
    CHECK(d.stops[0].index == 2);
    CHECK(d.stops[0].length == 100);
    CHECK(d.bench.transmit.used_index() == 2);
    CHECK(d.debugger().breakpoints()[0].hits == 1);
    SECTION("resumed") {
        d.debugger().resume(1);
        CHECK(d.bench.wire.sent.size() == 5);
        CHECK(d.stops.size() == 1);
    }
    SECTION("stepped") {
        d.debugger().step(1, 1);
        CHECK(d.bench.wire.sent.size() == 3);
        CHECK(d.debugger().view(1).paused);
    }
    SECTION("the queue is stopped meanwhile: the chain comes again") {
        CHECK(must(d.bench.device->stop_ring(1)) == 2);
    }
    SECTION("removed") {
        CHECK(d.debugger().remove(1));
        CHECK_FALSE(d.debugger().remove(1));
        d.debugger().resume(1);
        d.oversight.changed();
        CHECK(d.bench.wire.sent.size() == 5);
    }
}

TEST_CASE("debugger: stops at events without a chain", "[device][control]") {
    Debugged d;
    SECTION("a kick") {
        d.add({"event=kick", "queue=1"});
        d.offer(1);
        d.bench.kick(1);
        CHECK(d.bench.wire.sent.empty());
        CHECK(d.stops.at(0).moment == QueueMoment::kick);
    }
    SECTION("a call") {
        d.add({"event=call"});
        d.offer(2);
        d.bench.kick(1);
        CHECK(d.bench.wire.sent.size() == 1);
        CHECK(d.bench.transmit_fds.call.take() == 1);
    }
    SECTION("a chain's return") {
        d.add({"event=used", "queue=1"});
        d.offer(2);
        d.bench.kick(1);
        CHECK(d.bench.transmit.used_index() == 1);
        CHECK(d.stops.at(0).index == 0);
    }
}

TEST_CASE("debugger: frames for the guest are held and released one by one", "[device][control]") {
    Debugged d;
    for (int i = 0; i < 6; ++i) {
        d.bench.receive.chain().writable(200).offer();
    }
    d.debugger().hold_frames();
    d.oversight.changed();
    const auto frame = frame_of(0x0806);
    CHECK_FALSE(d.bench.wire.deliver(frame));
    const int told = d.bench.wire.receive_ready;
    d.debugger().release_frames(2);
    CHECK(d.bench.wire.receive_ready == told + 1);
    CHECK(d.bench.wire.deliver(frame));
    CHECK(d.bench.wire.deliver(frame));
    CHECK_FALSE(d.bench.wire.deliver(frame));
    // What the guest sends goes on.
    d.offer(1);
    d.bench.kick(1);
    CHECK(d.bench.wire.sent.size() == 1);
    d.debugger().release_frames({});
    d.oversight.changed();
    CHECK_FALSE(d.debugger().active());
    CHECK(d.bench.wire.deliver(frame));
}

TEST_CASE("debugger: a breakpoint on a received frame", "[device][control]") {
    Debugged d;
    d.bench.receive.chain().writable(200).offer();
    d.add({"queue=0", "length>=80"});
    const auto frame = frame_of(0x0806, 80);
    CHECK_FALSE(d.bench.wire.deliver(frame));
    d.bench.settle();
    CHECK_FALSE(d.bench.receive.take_used());
    REQUIRE(d.stops.size() == 1);
    CHECK(d.stops[0].queue == 0);
    d.debugger().step(0, 1);
    CHECK(d.bench.wire.deliver(frame));
    d.bench.settle();
    CHECK(d.bench.receive.take_used());
    CHECK(d.stops.size() == 1);
}

TEST_CASE("debugger: bounded", "[device][control]") {
    Debugged d;
    for (std::size_t i = 0; i < Debugger::most_breakpoints; ++i) {
        d.add({"head=1"});
    }
    CHECK_FALSE(d.debugger().add(must(Breakpoint::parse(std::vector<std::string>{"head=1"}))));
    Debugged other;
    const auto wrong =
        other.debugger().add(must(Breakpoint::parse(std::vector<std::string>{"queue=5"})));
    REQUIRE_FALSE(wrong);
    CHECK(contains(wrong.error().message, "no queue 5"));
}
