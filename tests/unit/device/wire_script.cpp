// The script wire at work: triggers, uplink, expectations.
#include <filesystem>
#include <fstream>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <fmt/format.h>
#include <tins/arp.h>
#include <unistd.h>

#include "device/wire/factory.h"
#include "device/wire/reflect.h"
#include "device/wire/script.h"
#include "tests/unit/device/log_catcher.h"
#include "tests/unit/device/script_of.h"
#include "tests/unit/device/wire_guest.h"

namespace skbtrail::device {

using Catch::Matchers::ContainsSubstring;
using test::Bytes;
using test::LogCatcher;
using test::run_until;
using test::script_of;
using test::WireGuest;

namespace {

/// A raw frame to the guest whose last byte is `mark`.
std::string marked(const std::string& mark) {
    return R"({"raw": "020000000015 52550a000202 88b5 )" + mark + R"("})";
}

std::vector<int> marks(const WireGuest& guest) {
    std::vector<int> result;
    for (const auto& frame : guest.received()) {
        result.push_back(std::to_integer<int>(frame.back()));
    }
    return result;
}

StepState state_of(const ScriptWire& wire, const std::string& name) {
    for (const auto& step : wire.report()) {
        if (step.name == name) {
            return step.state;
        }
    }
    FAIL("no step " << name);
    return {};
}

const std::string ping_guest = R"(
    {"ethernet": {"source": "52:55:0a:00:02:02", "destination": "guest"},
     "ipv4": {"source": "10.0.2.2", "destination": "10.0.2.15"},
     "icmp": {"type": "echo-request", "id": 7, "sequence": 1}, "payload": {"size": 56}})";

}  // namespace

TEST_CASE("a step at the start waits for the guest's driver", "[wire][script]") {
    EventLoop loop;
    ScriptWire wire(script_of(R"({"name": "first", "send": )" + marked("01") + R"(},
                                 {"name": "later", "after_ms": 30, "send": )" +
                              marked("02") + "}"),
                    loop, nullptr);
    WireGuest guest(wire);
    loop.turn(std::chrono::milliseconds(50));
    CHECK(guest.received().empty());
    CHECK(state_of(wire, "first") == StepState::waiting);
    wire.on_receive_ready();
    CHECK(marks(guest) == std::vector{1});
    CHECK(state_of(wire, "first") == StepState::done);
    CHECK(state_of(wire, "later") == StepState::scheduled);
    const auto start = EventLoop::Clock::now();
    CHECK(run_until(loop, [&] { return guest.received().size() == 2; }));
    CHECK(EventLoop::Clock::now() - start >= std::chrono::milliseconds(20));
    // Only once, however often the guest gives buffers.
    wire.on_receive_ready();
    guest.send(test::echo(Tins::ICMP::ECHO_REQUEST, 1, 1));
    loop.turn(std::chrono::milliseconds(50));
    CHECK(marks(guest) == std::vector{1, 2});
}

TEST_CASE("a step is set off by the N-th frame of its kind, once", "[wire][script]") {
    EventLoop loop;
    ScriptWire wire(script_of(R"({"name": "third", "when": {"frame": {"from": "guest",
                                  "icmp.type": "echo-request"}, "count": 3}, "send": )" +
                              marked("03") + "}"),
                    loop, nullptr);
    WireGuest guest(wire);
    guest.send(test::echo(Tins::ICMP::ECHO_REQUEST, 1, 1));
    guest.send(test::echo(Tins::ICMP::ECHO_REPLY, 1, 1));
    guest.send(Tins::ARP::make_arp_request(test::gateway_ip, test::guest_ip, test::guest_mac));
    guest.send(test::echo(Tins::ICMP::ECHO_REQUEST, 1, 2));
    CHECK(guest.received().empty());
    CHECK(wire.report().front().trigger_frames == 2);
    guest.send(test::echo(Tins::ICMP::ECHO_REQUEST, 1, 3));
    CHECK(marks(guest) == std::vector{3});
    guest.send(test::echo(Tins::ICMP::ECHO_REQUEST, 1, 4));
    CHECK(marks(guest) == std::vector{3});
}

TEST_CASE("all words of a pattern must agree", "[wire][script]") {
    EventLoop loop;
    ScriptWire wire(script_of(R"({"when": {"frame": {"icmp.id": 7, "icmp.sequence": "2",
                                  "ip.destination": "10.0.2.2"}}, "send": )" +
                              marked("01") + "}"),
                    loop, nullptr);
    WireGuest guest(wire);
    guest.send(test::echo(Tins::ICMP::ECHO_REQUEST, 7, 1));
    guest.send(test::echo(Tins::ICMP::ECHO_REQUEST, 6, 2));
    guest.send(test::echo(Tins::ICMP::ECHO_REQUEST, 7, 2, "10.0.2.3"));
    guest.send(Bytes(5));
    guest.send(Bytes(60));
    CHECK(guest.received().empty());
    guest.send(test::echo(Tins::ICMP::ECHO_REQUEST, 7, 2));
    CHECK(marks(guest) == std::vector{1});
}

TEST_CASE("a burst goes out in order, and a step after a step", "[wire][script]") {
    EventLoop loop;
    ScriptWire wire(script_of(R"({"name": "burst", "send": [)" + marked("01") + "," + marked("02") +
                              "," + marked("03") + R"(]}, {"when": {"step": "burst"}, "send": )" +
                              marked("04") + "}"),
                    loop, nullptr);
    WireGuest guest(wire);
    wire.on_receive_ready();
    CHECK(marks(guest) == std::vector{1, 2, 3, 4});
}

TEST_CASE("a frame to the guest waits until its address is known", "[wire][script]") {
    EventLoop loop;
    ScriptWire wire(script_of(R"({"name": "ping", "send": )" + ping_guest + "}"), loop, nullptr);
    WireGuest guest(wire);
    wire.on_receive_ready();
    CHECK(state_of(wire, "ping") == StepState::held);
    // Neither a group's address nor none at all is the guest's.
    Bytes odd(60, std::byte{0});
    guest.send(odd);
    odd[6] = std::byte{0x33};
    guest.send(odd);
    guest.send(Bytes(13));
    CHECK(state_of(wire, "ping") == StepState::held);
    guest.send(Tins::ARP::make_arp_request(test::gateway_ip, test::guest_ip, test::guest_mac));
    REQUIRE(guest.received().size() == 1);
    CHECK(guest.packet(0).dst_addr() == test::guest_mac);
    CHECK(state_of(wire, "ping") == StepState::done);
}

TEST_CASE("an expectation is met, and the next step follows", "[wire][script]") {
    EventLoop loop;
    LogCatcher log;
    ScriptWire wire(script_of(R"({"name": "ping", "when": {"frame": {"icmp.type": "echo-request"}},
                                  "send": )" +
                              ping_guest +
                              R"(, "expect": {"frame": {"from": "guest", "icmp.type": "echo-reply",
                                  "icmp.id": 7}, "count": 2, "within_ms": 10000}},
                                 {"when": {"step": "ping"}, "send": )" +
                              marked("09") + "}"),
                    loop, nullptr);
    WireGuest guest(wire);
    guest.send(test::echo(Tins::ICMP::ECHO_REQUEST, 1, 1));
    CHECK(state_of(wire, "ping") == StepState::expecting);
    guest.send(test::echo(Tins::ICMP::ECHO_REPLY, 8, 1));
    guest.send(test::echo(Tins::ICMP::ECHO_REPLY, 7, 1));
    CHECK(state_of(wire, "ping") == StepState::expecting);
    CHECK(wire.report().front().expected_frames == 1);
    guest.send(test::echo(Tins::ICMP::ECHO_REPLY, 7, 2));
    CHECK(state_of(wire, "ping") == StepState::done);
    CHECK(guest.received().size() == 2);
    CHECK(marks(guest).back() == 9);
    CHECK_THAT(log.text(), ContainsSubstring("\"ping\": sent 1 frame to the guest, 98 bytes") &&
                               ContainsSubstring("expected icmp.id=7 icmp.type=echo-reply from the "
                                                 "guest seen after"));
}

TEST_CASE("the frame that sets a step off does not meet its expectation", "[wire][script]") {
    EventLoop loop;
    ScriptWire wire(script_of(R"({"name": "again", "when": {"frame": {"icmp.type": 8}},
                                  "expect": {"frame": {"icmp.type": 8}}})"),
                    loop, nullptr);
    WireGuest guest(wire);
    guest.send(test::echo(Tins::ICMP::ECHO_REQUEST, 1, 1));
    CHECK(state_of(wire, "again") == StepState::expecting);
    guest.send(test::echo(Tins::ICMP::ECHO_REQUEST, 1, 2));
    CHECK(state_of(wire, "again") == StepState::done);
}

TEST_CASE("an expectation that is not met in time is unmet, and told at the end",
          "[wire][script]") {
    EventLoop loop;
    LogCatcher log;
    {
        ScriptWire wire(
            script_of(R"({"name": "ping", "send": )" + marked("01") +
                      R"(, "expect": {"frame": {"icmp.type": "echo-reply"}, "within_ms": 20}},
                         {"name": "never", "when": {"step": "ping"}, "send": )" +
                      marked("02") + R"(},
                         {"name": "not yet", "when": {"frame": {"arp.operation": "reply"},
                          "count": 4}, "send": )" +
                      marked("03") + "}"),
            loop, nullptr);
        WireGuest guest(wire);
        wire.on_receive_ready();
        CHECK(run_until(loop, [&] { return state_of(wire, "ping") == StepState::unmet; }));
        // Too late is too late.
        guest.send(test::echo(Tins::ICMP::ECHO_REPLY, 1, 1));
        CHECK(state_of(wire, "ping") == StepState::unmet);
        CHECK(state_of(wire, "never") == StepState::waiting);
        CHECK(marks(guest) == std::vector{1});
    }
    CHECK_THAT(log.text(),
               ContainsSubstring("\"ping\": expected icmp.type=echo-reply within 20 ms, and it did "
                                 "not come") &&
                   ContainsSubstring("\"ping\": not done: expected icmp.type=echo-reply was not "
                                     "seen (0 of 1)") &&
                   ContainsSubstring("\"never\": not done: it waits for \"ping\"") &&
                   ContainsSubstring("\"not yet\": not done: it waits for arp.operation=reply "
                                     "(seen 0 of 4)") &&
                   ContainsSubstring("script wire.json: 0 of 3 steps done"));
}

TEST_CASE("frames pass between guest and uplink, seen from both sides", "[wire][script]") {
    EventLoop loop;
    ScriptWire wire(
        script_of(R"({"name": "out", "when": {"frame": {"from": "guest"}}, "send": )" +
                  marked("01") +
                  R"(}, {"name": "back", "when": {"frame": {"from": "uplink"}}, "send": )" +
                  marked("02") + "}"),
        loop, std::make_unique<ReflectWire>());
    WireGuest guest(wire);
    Bytes frame(60, std::byte{0x55});
    guest.send(frame);
    // The script saw the frame, then the uplink sent it back, then the script saw that.
    CHECK(marks(guest) == std::vector{1, 0x55, 2});
    const auto counters = wire.counters();
    CHECK(counters.from_guest.frames == 1);
    CHECK(counters.to_guest.frames == 3);
    guest.send(Bytes(3));
    CHECK(wire.counters().from_guest.dropped == 1);
    CHECK(wire.describe() == "script wire.json, uplink reflect");
}

TEST_CASE("frames of the uplink and the script's own keep their order", "[wire][script]") {
    EventLoop loop;
    ScriptWire wire(script_of(R"({"when": {"frame": {"from": "uplink"}, "count": 2}, "send": )" +
                              marked("09") + "}"),
                    loop, std::make_unique<ReflectWire>());
    WireGuest guest(wire);
    guest.take_buffers();
    for (int i = 1; i <= 3; ++i) {
        guest.send(Bytes(60, std::byte(i)));
    }
    CHECK(wire.counters().waiting == 3);
    guest.give_buffers(10);
    CHECK(marks(guest) == std::vector{1, 2, 9, 3});
    guest.take_buffers();
    guest.send(Bytes(60));
    wire.on_guest_left();
    CHECK(wire.counters().waiting == 0);
    CHECK(wire.counters().to_guest.dropped == 1);
}

TEST_CASE("behind a script a wire that waits for buffers waits for them", "[wire][script]") {
    EventLoop loop;
    ScriptWire wire(script_of(R"({"name": "half", "when": {"frame": {"from": "uplink"},
                                  "count": 1500}, "send": )" +
                              marked("09") + "}"),
                    loop, make_wire("generate,count=3000", loop));
    WireGuest guest(wire);
    guest.give_buffers(10);
    run_until(loop, [] { return false; }, std::chrono::milliseconds(50));
    CHECK(guest.received().size() == 10);
    CHECK(state_of(wire, "half") == StepState::waiting);
    CHECK(wire.report().front().trigger_frames == 10);
    // Without buffers it sleeps.
    CHECK_FALSE(loop.turn(std::chrono::milliseconds(20)));
    guest.give_buffers(5000);
    CHECK(run_until(loop, [&] { return guest.received().size() == 3001; }));
    CHECK(std::to_integer<int>(guest.received()[1500].back()) == 9);
    CHECK(wire.counters().to_guest.frames == 3001);
    CHECK(wire.counters().to_guest.dropped == 0);
}

namespace {

/// A wire behind another one: remembers what it was told, and says what it is told to say.
class ToldWire final : public Wire {
  public:
    explicit ToldWire(std::vector<std::string>& told) : told_(told) {}
    void attach(Deliver deliver) override { deliver_ = std::move(deliver); }
    void transmit(const Frame& /*frame*/) override {}
    void on_receive_ready() override { told_.emplace_back("ready"); }
    void on_receive_stopped() override { told_.emplace_back("stopped"); }
    void on_guest_left() override { told_.emplace_back("left"); }
    WireCounters counters() const override {
        return {.from_guest = {.dropped = 1}, .to_guest = {.dropped = 20}, .waiting = 300};
    }
    std::string describe() const override { return "told"; }
    Delivery deliver(unsigned pair) {
        const Bytes bytes(60);
        return deliver_(Frame{bytes, {}, pair});
    }

  private:
    std::vector<std::string>& told_;
    Deliver deliver_;
};

}  // namespace

TEST_CASE(
    "what the guest says of its buffers reaches the wire behind a script, and its counters "
    "count",
    "[wire][script]") {
    EventLoop loop;
    std::vector<std::string> told;
    auto owned = std::make_unique<ToldWire>(told);
    ToldWire& uplink = *owned;
    ScriptWire wire(script_of(R"({"send": )" + marked("01") + "}"), loop, std::move(owned));
    // Pair 1 has no buffers.
    wire.attach([](const Frame& frame) { return Delivery(frame.queue_pair != 1, 1); });
    CHECK(uplink.deliver(0).taken);
    const Delivery refused = uplink.deliver(1);
    CHECK_FALSE(refused.taken);
    CHECK(refused.starved_pair == 1);
    CHECK(uplink.deliver(0).taken);
    wire.on_receive_ready();
    wire.on_receive_stopped();
    wire.on_guest_left();
    CHECK(told == std::vector<std::string>{"ready", "stopped", "left"});
    CHECK(wire.counters().from_guest.dropped == 1);
    CHECK(wire.counters().to_guest.frames == 3);  // two of the uplink, one of the script
    CHECK(wire.counters().to_guest.dropped == 20);
    CHECK(wire.counters().waiting == 300);
}

TEST_CASE("the lab's script: the guest pings through nat and is pinged", "[wire][script][nat]") {
    const auto folder =
        std::filesystem::temp_directory_path() / fmt::format("skbtrail-wire-{}", ::getpid());
    std::filesystem::create_directory(folder);
    const auto file = folder / "wire, with a comma.json";
    std::ofstream(file)
        << R"({"format": "skbtrail-script", "version": 1, "uplink": "nat", "steps": [
        {"name": "ping the guest", "when": {"frame": {"from": "guest", "ip.protocol": "icmp",
         "icmp.type": "echo-request"}, "count": 2}, "after_ms": 20, "send": )"
        << ping_guest << R"(, "expect": {"frame": {"from": "guest", "icmp.type": "echo-reply",
         "icmp.id": 7, "ip.destination": "10.0.2.2"}, "within_ms": 5000}}]})";
    std::string spec = "script,file=" + (folder / "wire,, with a comma.json").string();

    EventLoop loop;
    const auto wire = make_wire(spec + ",uplink.restrict=on", loop);
    CHECK_THAT(wire->describe(), ContainsSubstring("uplink nat 10.0.2.0/24, restricted"));
    WireGuest guest(*wire);
    guest.send(Tins::ARP::make_arp_request(test::gateway_ip, test::guest_ip, test::guest_mac));
    for (std::uint16_t sequence = 1; sequence <= 2; ++sequence) {
        guest.send(test::echo(Tins::ICMP::ECHO_REQUEST, 0x55, sequence));
    }
    const auto of_type = [&guest](Tins::ICMP::Flags type) {
        return guest.find<Tins::ICMP>(
            [type](const Tins::ICMP& icmp) { return icmp.type() == type; });
    };
    // nat's own answers, then the script's request.
    REQUIRE(run_until(loop, [&] { return of_type(Tins::ICMP::ECHO_REQUEST) != nullptr; }));
    CHECK(of_type(Tins::ICMP::ECHO_REPLY));
    const auto request = of_type(Tins::ICMP::ECHO_REQUEST);
    CHECK(request->src_addr() == test::gateway_mac);
    CHECK(request->dst_addr() == test::guest_mac);
    CHECK(request->rfind_pdu<Tins::IP>().src_addr() == test::gateway_ip);
    guest.send(test::echo(Tins::ICMP::ECHO_REPLY, 7, 1));
    const auto& script = dynamic_cast<const ScriptWire&>(*wire);
    CHECK(state_of(script, "ping the guest") == StepState::done);

    // The same file with other uplinks.
    CHECK_THAT(make_wire(spec + ",uplink=reflect", loop)->describe(),
               ContainsSubstring("uplink reflect"));
    CHECK_THAT(make_wire(spec + ",uplink=none", loop)->describe(), !ContainsSubstring("uplink"));
    CHECK_THROWS_WITH(make_wire(spec + ",uplink=none,uplink.restrict=on", loop),
                      ContainsSubstring("there is no uplink"));
    CHECK_THROWS_WITH(make_wire(spec + ",uplink=script", loop),
                      ContainsSubstring("a script cannot be the uplink of a script"));
    CHECK_THROWS_WITH(make_wire(spec + ",uplink=natt", loop),
                      ContainsSubstring("did you mean \"nat\"?"));
    std::filesystem::remove_all(folder);
}

TEST_CASE("a script may be destroyed with its timers running", "[wire][script]") {
    EventLoop loop;
    {
        ScriptWire wire(script_of(R"({"after_ms": 20, "send": )" + marked("01") + "}"), loop,
                        nullptr);
        WireGuest guest(wire);
        wire.on_receive_ready();
    }
    run_until(loop, [] { return false; }, std::chrono::milliseconds(60));
    SUCCEED();
}

}  // namespace skbtrail::device
