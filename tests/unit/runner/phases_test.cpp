#include "labs/runner/phases.h"

#include <csignal>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "labs/runner/watch.h"

namespace skbtrail::labs {
namespace {

using namespace std::chrono_literals;

/// A clock that stands until it is moved.
struct FakeClock {
    TimePoint now{1000s};
    Clock clock() {
        return [this] { return now; };
    }
};

TEST_CASE("a phase is told when it starts and ends, with the time it took") {
    FakeClock time;
    std::vector<PhaseEvent> events;
    PhaseLog log(time.clock(), [&](const PhaseEvent& event) { events.push_back(event); });
    time.now += 1s;
    log.start("boot", 10s);
    time.now += 3s;
    log.finish("boot", "well");

    REQUIRE(events.size() == 2);
    CHECK(events[0].kind == PhaseEvent::Kind::started);
    CHECK(events[1].kind == PhaseEvent::Kind::finished);
    CHECK(events[1].text == "well");
    CHECK(events[1].phase_elapsed == 3s);
    CHECK(events[1].run_elapsed == 4s);
    REQUIRE(log.timings().size() == 1);
    CHECK(log.timings()[0].began == 1s);
    CHECK(log.timings()[0].took == 3s);
}

TEST_CASE("the first of several running phases' deadlines counts") {
    FakeClock time;
    PhaseLog log(time.clock(), {});
    CHECK_FALSE(log.deadline());
    log.start("libvirt", 60s);
    log.start("nic", 5s);
    CHECK(log.current() == "nic");
    CHECK(log.deadline() == time.now + 5s);
    CHECK_FALSE(log.overdue());
    time.now += 5s;
    REQUIRE(log.overdue());
    CHECK(log.overdue()->phase == "nic");
    CHECK(log.overdue()->limit == 5s);
    log.finish("nic");
    CHECK_FALSE(log.overdue());
    CHECK(log.current() == "libvirt");
}

TEST_CASE("deadlines are scaled") {
    FakeClock time;
    PhaseLog log(time.clock(), {}, 2.5);
    log.start("boot", 10s);
    time.now += 24s;
    CHECK_FALSE(log.overdue());
    time.now += 1s;
    CHECK(log.overdue());
}

TEST_CASE("the first failure is kept, and an end counts once") {
    FakeClock time;
    std::size_t told = 0;
    PhaseLog log(time.clock(), [&](const PhaseEvent&) { ++told; });
    log.start("boot", 1s);
    log.start("nic", 1s);
    log.fail("nic", "gone");
    log.fail("boot", "later");
    log.finish("boot");
    CHECK(told == 4);
    REQUIRE(log.failure());
    CHECK(log.failure()->phase == "nic");
    CHECK(log.failure()->text == "gone");
    CHECK(log.timings().size() == 2);
}

TEST_CASE("a run that is given up says nothing more") {
    FakeClock time;
    std::size_t told = 0;
    PhaseLog log(time.clock(), [&](const PhaseEvent&) { ++told; });
    log.start("kernel", 1s);
    log.mute();
    log.note("kernel", "a thread that goes on");
    log.fail("kernel", "stopped");
    CHECK(told == 1);
}

TEST_CASE("durations for a person") {
    CHECK(format_seconds(340ms) == "0.34 s");
    CHECK(format_seconds(12'140ms) == "12.1 s");
    CHECK(format_seconds(125s) == "2 min 05 s");
}

TEST_CASE("waiting ends with the condition, a deadline, or a signal") {
    const SignalWatch signals;
    PhaseLog log([] { return std::chrono::steady_clock::now(); }, {});

    SECTION("the condition, of which a thread tells") {
        Watch watch(log, signals, {});
        bool done = false;
        watch.add(watch.wake_up().fd(), [&] { done = true; });
        watch.wake_up().signal();
        watch.until([&] { return done; });
        CHECK(done);
    }
    SECTION("a deadline names its phase, which has failed") {
        Watch watch(log, signals, {});
        log.start("boot", 20ms);
        CHECK_THROWS_AS(watch.until([] { return false; }), DeadlinePassed);
        REQUIRE(log.failure());
        CHECK(log.failure()->phase == "boot");
    }
    SECTION("a signal") {
        Watch watch(log, signals, {});
        log.start("boot", 10s);
        ::raise(SIGTERM);
        CHECK_THROWS_AS(watch.until([] { return false; }), Interrupted);
    }
}

}  // namespace
}  // namespace skbtrail::labs
