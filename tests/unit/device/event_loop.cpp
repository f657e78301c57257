// The event loop: order, lifetimes, timers, hooks.

#include "device/event_loop.h"

#include <array>
#include <chrono>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/unit/device/net_bench.h"

using namespace skbtrail::device;
using namespace skbtrail::device::test;
using namespace std::chrono_literals;

TEST_CASE("loop: a descriptor calls while it is watched", "[device][loop]") {
    EventLoop loop;
    TestEvent event;
    int calls = 0;
    auto watch = loop.add_fd(event.fd(), EPOLLIN, [&](std::uint32_t events) {
        CHECK((events & EPOLLIN) != 0);
        ++calls;
    });
    CHECK_FALSE(loop.turn(0ms));
    event.signal();
    CHECK(loop.turn(0ms));
    CHECK(loop.turn(0ms));  // level-triggered: not read yet
    CHECK(calls == 2);
    watch.set_events(0);
    CHECK_FALSE(loop.turn(0ms));
    watch.set_events(EPOLLIN);
    CHECK(loop.turn(0ms));
    watch.reset();
    CHECK_FALSE(loop.turn(0ms));
    CHECK(calls == 3);
}

TEST_CASE("loop: every write to an eventfd is an edge of its own", "[device][loop]") {
    // Kicks are never read; this is what that rests on.
    EventLoop loop;
    TestEvent event;
    int calls = 0;
    auto watch = loop.add_fd(event.fd(), EPOLLIN | EPOLLET, [&](std::uint32_t) { ++calls; });
    for (int i = 1; i <= 3; ++i) {
        event.signal();
        CHECK(loop.turn(0ms));
        CHECK_FALSE(loop.turn(0ms));
        CHECK(calls == i);
    }
    // One that was signalled before it is watched counts once.
    watch.reset();
    event.signal();
    watch = loop.add_fd(event.fd(), EPOLLIN | EPOLLET, [&](std::uint32_t) { ++calls; });
    CHECK(loop.turn(0ms));
    CHECK(calls == 4);
}

TEST_CASE("loop: what is dropped is not called, even when it was ready", "[device][loop]") {
    EventLoop loop;
    TestEvent a;
    TestEvent b;
    std::optional<EventLoop::FdWatch> watch_a;
    std::optional<EventLoop::FdWatch> watch_b;
    int calls = 0;
    const auto callback = [&](std::uint32_t) {
        ++calls;
        watch_a.reset();  // whichever comes first drops both, itself included
        watch_b.reset();
    };
    watch_a = loop.add_fd(a.fd(), EPOLLIN, callback);
    watch_b = loop.add_fd(b.fd(), EPOLLIN, callback);
    a.signal();
    b.signal();
    CHECK(loop.turn(0ms));
    CHECK(calls == 1);
}

TEST_CASE("loop: a watch moves", "[device][loop]") {
    EventLoop loop;
    TestEvent a;
    TestEvent b;
    int calls_a = 0;
    int calls_b = 0;
    auto watch = loop.add_fd(a.fd(), EPOLLIN, [&](std::uint32_t) { ++calls_a; });
    auto other = loop.add_fd(b.fd(), EPOLLIN, [&](std::uint32_t) { ++calls_b; });
    watch = std::move(other);  // the first one is gone
    a.signal();
    b.signal();
    CHECK(loop.turn(0ms));
    CHECK(calls_a == 0);
    CHECK(calls_b == 1);
}

TEST_CASE("loop: handles may outlive the loop", "[device][loop]") {
    std::optional<EventLoop> loop(std::in_place);
    TestEvent event;
    auto watch = loop->add_fd(event.fd(), EPOLLIN, [](std::uint32_t) {});
    auto timer = loop->add_timer(EventLoop::Clock::now(), [] {});
    auto hook = loop->on_idle([] {});
    loop.reset();
    watch.set_events(EPOLLIN);
    timer.arm(EventLoop::Clock::now());
    watch.reset();
    timer.reset();
}

TEST_CASE("loop: descriptors that cannot be watched", "[device][loop]") {
    EventLoop loop;
    const UniqueFd file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    CHECK_THROWS_AS(loop.add_fd(file.get(), EPOLLIN, [](std::uint32_t) {}), std::system_error);
    CHECK_THROWS_AS(loop.add_fd(-1, EPOLLIN, [](std::uint32_t) {}), std::system_error);
    TestEvent event;
    auto watch = loop.add_fd(event.fd(), EPOLLIN, [](std::uint32_t) {});
    CHECK_THROWS_AS(loop.add_fd(event.fd(), EPOLLIN, [](std::uint32_t) {}), std::system_error);
}

TEST_CASE("loop: timers fire in the order of their deadlines, once", "[device][loop]") {
    EventLoop loop;
    std::vector<int> fired;
    const auto now = EventLoop::Clock::now();
    auto second = loop.add_timer(now - 1ms, [&] { fired.push_back(2); });
    auto first = loop.add_timer(now - 2ms, [&] { fired.push_back(1); });
    auto third = loop.add_timer(now - 1ms, [&] { fired.push_back(3); });
    auto later = loop.add_timer(now + 1h, [&] { fired.push_back(4); });
    CHECK(loop.turn(0ms));
    CHECK(fired == std::vector{1, 2, 3});
    CHECK_FALSE(loop.turn(0ms));
    CHECK_FALSE(first.armed());
    CHECK(later.armed());
    first.arm(now);
    CHECK(loop.turn(0ms));
    CHECK(fired == std::vector{1, 2, 3, 1});
}

TEST_CASE("loop: a timer disarmed or postponed by another does not fire", "[device][loop]") {
    EventLoop loop;
    const auto now = EventLoop::Clock::now();
    int fired = 0;
    EventLoop::Timer b = loop.add_timer([&] { ++fired; });
    EventLoop::Timer c = loop.add_timer([&] { ++fired; });
    auto a = loop.add_timer(now - 2ms, [&] {
        b.disarm();
        c.arm(now + 1h);
    });
    b.arm(now - 1ms);
    c.arm(now - 1ms);
    CHECK(loop.turn(0ms));
    CHECK(fired == 0);
    CHECK(c.armed());
}

TEST_CASE("loop: a timer that arms itself does not keep others from their turn", "[device][loop]") {
    EventLoop loop;
    TestEvent event;
    int fired = 0;
    int calls = 0;
    EventLoop::Timer timer;
    timer = loop.add_timer(EventLoop::Clock::now(), [&] {
        ++fired;
        timer.arm(EventLoop::Clock::now());
    });
    auto watch = loop.add_fd(event.fd(), EPOLLIN, [&](std::uint32_t) { ++calls; });
    event.signal();
    for (int i = 0; i < 5; ++i) {
        loop.turn(0ms);
    }
    CHECK(fired == 5);
    CHECK(calls == 5);
}

TEST_CASE("loop: sleeping ends with a timer, not before it", "[device][loop]") {
    EventLoop loop;
    const auto start = EventLoop::Clock::now();
    int fired = 0;
    auto timer = loop.add_timer(start + 20ms, [&] { ++fired; });
    int turns = 0;
    while (fired == 0) {
        loop.turn(10s);
        ++turns;
    }
    CHECK(EventLoop::Clock::now() - start >= 20ms);
    CHECK(turns == 1);
}

TEST_CASE("loop: hooks before each wait, and when idle", "[device][loop]") {
    EventLoop loop;
    TestEvent event;
    int waits = 0;
    int idles = 0;
    auto watch = loop.add_fd(event.fd(), EPOLLIN, [&](std::uint32_t) { event.take(); });
    auto before = loop.before_wait([&] { ++waits; });
    auto idle = loop.on_idle([&] { ++idles; });
    event.signal();
    loop.turn(0ms);
    CHECK(waits == 1);
    CHECK(idles == 0);
    loop.turn(0ms);
    CHECK(waits == 3);  // before looking, and before sleeping
    CHECK(idles == 1);
    idle.reset();
    before.reset();
    loop.turn(0ms);
    CHECK(waits == 3);
    CHECK(idles == 1);
}

TEST_CASE("loop: work that an idle hook makes is done before sleeping", "[device][loop]") {
    EventLoop loop;
    TestEvent event;
    int calls = 0;
    auto watch = loop.add_fd(event.fd(), EPOLLIN, [&](std::uint32_t) {
        event.take();
        ++calls;
    });
    bool once = true;
    auto idle = loop.on_idle([&] {
        if (std::exchange(once, false)) {
            event.signal();
        }
    });
    loop.turn(10s);
    CHECK(calls == 1);
}

TEST_CASE("loop: run ends with stop", "[device][loop]") {
    EventLoop loop;
    int turns = 0;
    EventLoop::Timer timer;
    timer = loop.add_timer(EventLoop::Clock::now(), [&] {
        if (++turns == 3) {
            loop.stop();
        } else {
            timer.arm(EventLoop::Clock::now());
        }
    });
    loop.run();
    CHECK(turns == 3);
}
