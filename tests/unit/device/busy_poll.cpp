// When a queue looks again at an empty ring, and what the loop does meanwhile.

#include "device/net/busy_poll.h"

#include <chrono>

#include <catch2/catch_test_macros.hpp>

#include "device/event_loop.h"
#include "tests/unit/device/net_bench.h"

using namespace skbtrail::device;
using namespace skbtrail::device::test;
using namespace std::chrono_literals;

namespace {

/// A busy poll and its time.
struct Timed {
    BusyPoll poll;
    BusyPoll::Clock::time_point now{1s};

    bool look() { return poll.look_again(now); }
    /// Chains for so long that they are a rate.
    void be_busy() {
        for (int i = 0; i < 10; ++i) {
            poll.found(BusyPoll::enough);
            now += BusyPoll::window / 2;
        }
    }
};

}  // namespace

TEST_CASE("busy poll: an idle ring is not looked at", "[device][net][poll]") {
    Timed timed;
    CHECK_FALSE(timed.look());
    // A few frames now and then are no rate.
    for (int i = 0; i < 100; ++i) {
        timed.now += 100us;
        timed.poll.found(4);
        CHECK_FALSE(timed.look());
    }
    // Nor is one burst, as soon as it is over.
    timed.now += 10ms;
    timed.poll.found(BusyPoll::enough);
    CHECK_FALSE(timed.look());
}

TEST_CASE("busy poll: a busy ring is, for a short time", "[device][net][poll]") {
    Timed timed;
    CHECK_FALSE(timed.look());  // that it was idle so long is past from here on
    timed.be_busy();
    CHECK(timed.look());
    timed.now += BusyPoll::longest / 2;
    CHECK(timed.look());
    timed.now += BusyPoll::longest;
    CHECK_FALSE(timed.look());
    CHECK_FALSE(timed.look());  // and from then on it is idle

    SECTION("what is found starts the time anew") {
        timed.be_busy();
        while (!timed.look()) {
            timed.be_busy();
        }
        for (int i = 0; i < 100; ++i) {
            timed.now += BusyPoll::longest - 1us;
            CHECK(timed.look());
            timed.poll.found(64);
            CHECK(timed.look());
        }
    }
}

TEST_CASE("busy poll: the less it finds, the more rarely it looks", "[device][net][poll]") {
    Timed timed;
    unsigned looked = 0;
    for (int i = 0; i < 200; ++i) {
        timed.be_busy();
        if (timed.look()) {
            ++looked;
            timed.now += BusyPoll::longest;
            CHECK_FALSE(timed.look());
        }
    }
    CHECK(looked > 3);
    CHECK(looked < 15);
}

TEST_CASE("busy poll: always is always", "[device][net][poll]") {
    BusyPoll poll;
    poll.set_always(true);
    CHECK(poll.look_again());
}

TEST_CASE("loop: polls are looked at while they are awake", "[device][loop][poll]") {
    EventLoop loop;
    int looks = 0;
    int hooks = 0;
    EventLoop::Poll poll = loop.add_poll([&] {
        if (++looks == 100) {
            poll.sleep();
        }
        return looks % 2 == 0;
    });
    const auto hook = loop.before_wait([&] { ++hooks; });
    CHECK_FALSE(poll.awake());
    CHECK_FALSE(loop.turn(0ms));
    CHECK(looks == 0);

    poll.wake();
    poll.wake();
    hooks = 0;
    while (poll.awake()) {
        CHECK(loop.turn(1h));  // does not sleep
    }
    CHECK(looks == 100);
    CHECK(hooks == 100);  // the hooks have their place after each look
    CHECK_FALSE(loop.turn(0ms));
    CHECK(looks == 100);

    SECTION("descriptors and timers are served as well") {
        TestEvent event;
        int events = 0;
        const auto watch =
            loop.add_fd(event.fd(), EPOLLIN | EPOLLET, [&](std::uint32_t) { ++events; });
        const auto timer = loop.add_timer(EventLoop::Clock::now(), [&] { ++events; });
        event.signal();
        looks = 200;
        poll.wake();
        loop.turn(0ms);
        loop.turn(0ms);
        CHECK(events == 2);
    }
    SECTION("one that is dropped keeps nobody awake") {
        looks = 200;
        poll.wake();
        poll.reset();
        CHECK_FALSE(loop.turn(0ms));
        CHECK(looks == 200);
    }
}
