// DPDK's virtio-user driver as the front end: every shape of ring that it can ask for, several
// queues, and which side listens. Frames go round between testpmd and a reflecting NIC until
// thousands have; then all that is on the way comes home, and both sides must have counted the
// same.

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <signal.h>
#include <unistd.h>

#include "tests/dpdk/child.h"
#include "tests/dpdk/listening.h"
#include "tests/dpdk/testpmd.h"
#include "tests/dpdk/virtio_user.h"
#include "tests/guest/nic_report.h"
#include "tests/guest/program.h"
#include "tests/places.h"

using namespace skbtrail;
using namespace skbtrail::tests;

namespace {

constexpr std::uint64_t enough_frames = 20'000;
constexpr unsigned bursts_in_flight = 4;
constexpr auto patience = std::chrono::seconds(60);

struct Mode {
    const char* name;
    dpdk::RingMode ring;
};

const std::vector<Mode> modes{
    {"split, mergeable", {.packed = false, .mergeable = true, .in_order = false}},
    {"split, not mergeable", {.packed = false, .mergeable = false, .in_order = false}},
    {"split, in order", {.packed = false, .mergeable = true, .in_order = true}},
    {"split, not mergeable, in order", {.packed = false, .mergeable = false, .in_order = true}},
    {"packed, mergeable", {.packed = true, .mergeable = true, .in_order = false}},
    {"packed, not mergeable", {.packed = true, .mergeable = false, .in_order = false}},
    {"packed, in order", {.packed = true, .mergeable = true, .in_order = true}},
};

void require_testpmd() {
    if (const auto reason = dpdk::Testpmd::missing(); !reason.empty()) {
        FAIL(reason);
    }
}

dpdk::ChildOptions nic_command(const Scratch& scratch, const std::string& side,
                               const std::string& socket, unsigned queues,
                               const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments{tests::built_program("skbtrail-nic"),
                                       side,
                                       socket,
                                       "--wire",
                                       "reflect",
                                       "--queues",
                                       std::to_string(queues),
                                       "--ready-fd",
                                       std::to_string(dpdk::ready_fd),
                                       "--exit-with-parent"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return {.arguments = std::move(arguments),
            .environment = {},
            .log = scratch.path() / "nic.log",
            .cpu = std::nullopt,
            .ready_pipe = true};
}

dpdk::TestpmdOptions front_end(const Scratch& scratch, const dpdk::VirtioUser& device) {
    return {.name = "front",
            .directory = scratch.path(),
            .cpu = 0,
            .devices = {dpdk::describe_device(device)},
            .forward = "io",
            .frame_length = 64,
            .burst = 32,
            .queues = device.queues,
            .bursts_first = bursts_in_flight,
            .telemetry = true};
}

/// Sends frames round, then lets those that are on the way come home. What the front end counted.
dpdk::PortCounters exchange(dpdk::Testpmd& front) {
    front.wait_up();
    REQUIRE(eventually([&] { return front.counters(0).received >= enough_frames; }, patience));
    front.process().say("stop");
    front.process().say("set fwd rxonly");
    front.process().say("start");
    dpdk::PortCounters counters;
    INFO("frames that never came back are waited for, and then missed");
    CHECK(eventually(
        [&] {
            counters = front.counters(0);
            return counters.received == counters.transmitted;
        },
        std::chrono::seconds(20)));
    return counters;
}

/// Whether the NIC's log says that a feature was negotiated.
bool nic_negotiated(const std::string& log, const std::string& name) {
    const auto line = log.rfind("negotiated: ");
    return line != std::string::npos &&
           (log.substr(line, log.find('\n', line) - line) + " ").find(" " + name + " ") !=
               std::string::npos;
}

void check_negotiated(const dpdk::Testpmd& front, const std::string& nic_log,
                      const dpdk::RingMode& mode) {
    const auto bits = front.negotiated();
    REQUIRE(bits);
    CHECK(dpdk::difference(mode, *bits) == "");
    CHECK(nic_negotiated(nic_log, "version_1"));
    CHECK(nic_negotiated(nic_log, "ring_packed") == mode.packed);
    CHECK(nic_negotiated(nic_log, "mrg_rxbuf") == mode.mergeable);
    CHECK(nic_negotiated(nic_log, "in_order") == mode.in_order);
}

void check_accounts(const dpdk::PortCounters& front, const NicReport& nic) {
    CHECK(nic.transmit.frames + nic.transmit.dropped == front.transmitted);
    CHECK(nic.receive.frames == front.received);
    CHECK(nic.transmit.dropped == 0);
    CHECK(nic.receive.dropped == 0);
    CHECK(nic.wire_dropped == 0);
    CHECK(nic.wire_waiting == 0);
    CHECK(front.errors == 0);
}

}  // namespace

TEST_CASE("DPDK's virtio-user: every shape of ring", "[dpdk][alone]") {
    require_testpmd();
    const auto mode = GENERATE(from_range(modes));
    INFO(mode.name);
    const Scratch scratch;
    const std::string socket = scratch.path() / "s";
    dpdk::Child nic(nic_command(scratch, "--socket", socket, 1));
    REQUIRE(nic.wait_ready(patience));
    dpdk::Testpmd front(front_end(scratch, {.socket = socket, .mode = mode.ring}));

    const auto counters = exchange(front);
    check_negotiated(front, nic.log(), mode.ring);
    CHECK(front.end());
    CHECK(nic.end(true));

    INFO(nic.log());
    check_accounts(counters, last_report(nic.log()));
}

TEST_CASE("DPDK's virtio-user: four queue pairs", "[dpdk][alone]") {
    require_testpmd();
    const bool packed = GENERATE(false, true);
    constexpr unsigned pairs = 4;
    const dpdk::RingMode mode{.packed = packed, .mergeable = true, .in_order = false};
    const Scratch scratch;
    const std::string socket = scratch.path() / "s";
    dpdk::Child nic(nic_command(scratch, "--socket", socket, pairs));
    REQUIRE(nic.wait_ready(patience));
    dpdk::Testpmd front(front_end(scratch, {.socket = socket, .mode = mode, .queues = pairs}));

    const auto counters = exchange(front);
    check_negotiated(front, nic.log(), mode);
    CHECK(front.end());
    CHECK(nic.end(true));

    INFO(nic.log());
    const auto report = last_report(nic.log());
    CHECK(report.receive.queues == pairs);
    CHECK(report.transmit.queues == pairs);
    check_accounts(counters, report);
}

TEST_CASE("DPDK's virtio-user: it listens, and the NIC connects", "[dpdk][alone]") {
    require_testpmd();
    const auto mode = GENERATE(from_range(std::vector<Mode>{modes.front(), modes.back()}));
    INFO(mode.name);
    const Scratch scratch;
    const std::string socket = scratch.path() / "s";
    dpdk::Testpmd front(front_end(scratch, {.socket = socket, .mode = mode.ring, .listens = true}));
    REQUIRE(dpdk::wait_listening(socket, patience, [&] { return front.process().running(); }));
    dpdk::Child nic(nic_command(scratch, "--connect", socket, 1));

    const auto counters = exchange(front);
    check_negotiated(front, nic.log(), mode.ring);
    CHECK(front.end());
    CHECK(nic.end(true));

    INFO(nic.log());
    check_accounts(counters, last_report(nic.log()));
}

TEST_CASE("DPDK's virtio-user: frames that are lost are missed, and accounted for",
          "[dpdk][alone]") {
    require_testpmd();
    const Scratch scratch;
    const std::string socket = scratch.path() / "s";
    dpdk::Child nic(nic_command(scratch, "--socket", socket, 1,
                                {"--fault", "drop,p=0.02,direction=from_guest"}));
    REQUIRE(nic.wait_ready(patience));
    dpdk::Testpmd front(front_end(scratch, {.socket = socket, .mode = modes.front().ring}));
    front.wait_up();
    // Each frame goes round until it is dropped: in the end nothing moves.
    dpdk::PortCounters last;
    REQUIRE(eventually(
        [&] {
            const dpdk::PortCounters now = front.counters(0);
            const bool still = now.transmitted > 0 && now.transmitted == last.transmitted &&
                               now.received == last.received;
            last = now;
            return still;
        },
        patience));
    CHECK(front.end());
    CHECK(nic.end(true));
    INFO(nic.log());
    const auto report = last_report(nic.log());
    // Those that were on the way at first; the queues counted what the wire did not get.
    CHECK(last.transmitted - last.received == std::uint64_t{bursts_in_flight} * 32);
    CHECK(report.transmit.frames == last.transmitted);
    CHECK(report.receive.frames == last.received);
    CHECK(report.transmit.dropped == 0);
}

TEST_CASE("DPDK's virtio-user: a ring that the NIC does not offer is noticed", "[dpdk][alone]") {
    require_testpmd();
    const Mode mode = modes.back();
    const Scratch scratch;
    const std::string socket = scratch.path() / "s";
    dpdk::Child nic(nic_command(scratch, "--socket", socket, 1, {"--features=-in_order"}));
    REQUIRE(nic.wait_ready(patience));
    dpdk::Testpmd front(front_end(scratch, {.socket = socket, .mode = mode.ring}));
    front.wait_up();
    const auto bits = front.negotiated();
    REQUIRE(bits);
    CHECK(dpdk::difference(mode.ring, *bits) == "without in_order");
    CHECK_FALSE(nic_negotiated(nic.log(), "in_order"));
    CHECK(front.end());
    CHECK(nic.end(true));
}

TEST_CASE("DPDK's virtio-user: it leaves, and another comes in another mode", "[dpdk][alone]") {
    require_testpmd();
    const Scratch scratch;
    const std::string socket = scratch.path() / "s";
    dpdk::Child nic(nic_command(scratch, "--socket", socket, 1));
    REQUIRE(nic.wait_ready(patience));
    for (const Mode& mode : {modes.front(), modes.back(), modes.front()}) {
        INFO(mode.name);
        dpdk::Testpmd front(front_end(scratch, {.socket = socket, .mode = mode.ring}));
        exchange(front);
        check_negotiated(front, nic.log(), mode.ring);
        CHECK(front.end());
    }
    CHECK(nic.end(true));
}

TEST_CASE("a benchmark that is killed leaves nothing running", "[dpdk][alone]") {
    require_testpmd();
    const Scratch scratch;
    const std::string temporary = scratch.temporary();
    Program bench(scratch, {"skbtrail-bench", "--rounds", "1", "--seconds", "60",
                            "pairs/64/split-mergeable/reflect"});
    const auto children = [&] {
        std::vector<pid_t> polling;
        for (const pid_t process : processes_naming(temporary)) {
            if (process != bench.pid()) {
                polling.push_back(process);
            }
        }
        return polling;
    };
    REQUIRE(eventually([&] { return children().size() == 2; }, patience));
    bench.signal(SIGKILL);
    CHECK(bench.wait() == 128 + SIGKILL);
    CHECK(eventually([&] { return children().empty(); }));
}
