// What a NIC costs that has nothing to do, and how soon it is there again when it has.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <thread>
#include <vector>

#include <poll.h>
#include <sys/eventfd.h>

#include "tests/bench/back_end.h"
#include "tests/bench/pair.h"
#include "tests/bench/pinned.h"
#include "tests/bench/precedence.h"
#include "tests/bench/sleeping_front_end.h"
#include "tests/bench/suites.h"
#include "tests/dpdk/run_times.h"

namespace skbtrail::bench {
namespace {

using Clock = std::chrono::steady_clock;

/// Between two round trips, so that who sleeps when idle does sleep.
constexpr auto pause = std::chrono::milliseconds(2);
/// The issue of idleness is settled in seconds, not in windows.
constexpr int idle_windows = 10;
/// Of a window, spent by the back end waiting for its processor.
constexpr double idle_disturbing_share = 0.03;

BackEndJob reflecting() {
    return {.direction = Direction::reflect,
            .traffic = {.name = "64", .length = 64, .mixed = false},
            .queues = 1,
            .burst = 32,
            .nic_arguments = {}};
}

/// Processor time that a back end takes while its front end is connected and asleep.
Sample measure_idleness(const Conditions& conditions, const StartBackEnd& start) {
    const auto back = start(conditions, reflecting());
    SleepingFrontEnd front(back_end_socket(conditions));
    Sample sample;
    if (!front.round_trip()) {
        sample.missing = "no frame came back within 1 s";
        return sample;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    const auto before = dpdk::run_times_of(back->pid()).running;
    const auto began = Clock::now();
    std::this_thread::sleep_for(conditions.window * idle_windows);
    const std::chrono::duration<double> used = dpdk::run_times_of(back->pid()).running - before;
    const std::chrono::duration<double> elapsed = Clock::now() - began;
    sample.value = used / elapsed * 100;
    sample.details = {{"seconds", elapsed.count()}};
    return sample;
}

Sample percentiles_of(std::vector<double> times) {
    Sample sample;
    if (times.empty()) {
        sample.missing = "nothing was measured";
        return sample;
    }
    std::ranges::sort(times);
    const auto at = [&](double share) {
        const auto place =
            static_cast<std::size_t>(std::ceil(share * static_cast<double>(times.size())));
        return times[std::clamp<std::size_t>(place, 1, times.size()) - 1];
    };
    sample.value = at(0.5);
    sample.details = {{"p90", at(0.9)},
                      {"p99", at(0.99)},
                      {"max", times.back()},
                      {"count", static_cast<double>(times.size())}};
    return sample;
}

double microseconds(std::chrono::nanoseconds time) {
    return std::chrono::duration<double, std::micro>(time).count();
}

/// From a kick to a back end that had nothing to do, until the front end has the frame back.
Sample measure_wake_up(const Conditions& conditions, const StartBackEnd& start) {
    const auto back = start(conditions, reflecting());
    const Pinned here(conditions.front_cpu);
    SleepingFrontEnd front(back_end_socket(conditions));
    const Precedence precedence(conditions.realtime, {back->pid()},
                                conditions.window + std::chrono::seconds(1));
    std::vector<double> times;
    const auto waited_before = dpdk::run_times_of(back->pid()).waiting;
    const auto end = Clock::now() + conditions.window;
    while (Clock::now() < end) {
        std::this_thread::sleep_for(pause);
        const auto took = front.round_trip();
        if (!took) {
            Sample lost;
            lost.missing = "a frame did not come back within 1 s";
            return lost;
        }
        times.push_back(microseconds(*took));
    }
    Sample sample = percentiles_of(std::move(times));
    sample.disturbed = dpdk::run_times_of(back->pid()).waiting - waited_before >
                       conditions.window * idle_disturbing_share;
    return sample;
}

/// The same without any device: two threads that wake each other through eventfds. No back end
/// that sleeps can be quicker.
Sample measure_bare_wake_up(const Conditions& conditions) {
    const int there = ::eventfd(0, EFD_CLOEXEC);
    const int back = ::eventfd(0, EFD_CLOEXEC);
    const device::UniqueFd close_there(there);
    const device::UniqueFd close_back(back);
    const Precedence precedence(conditions.realtime, {}, conditions.window);
    std::atomic<bool> ending{false};
    std::jthread echo([&] {
        const Pinned away(conditions.back_cpu);
        eventfd_t value = 0;
        while (::eventfd_read(there, &value) == 0 && !ending) {
            ::eventfd_write(back, 1);
        }
    });
    std::vector<double> times;
    {
        const Pinned here(conditions.front_cpu);
        const auto end = Clock::now() + conditions.window;
        while (Clock::now() < end) {
            std::this_thread::sleep_for(pause);
            const auto began = Clock::now();
            eventfd_t value = 0;
            ::eventfd_write(there, 1);
            ::eventfd_read(back, &value);
            times.push_back(microseconds(Clock::now() - began));
        }
    }
    ending = true;
    ::eventfd_write(there, 1);
    return percentiles_of(std::move(times));
}

}  // namespace

std::vector<Cell> idle_cells() {
    const auto of = [](std::string name, Sample (*measure)(const Conditions&, const StartBackEnd&),
                       StartBackEnd start) {
        return Contender{std::move(name),
                         [measure, start = std::move(start)](const Conditions& conditions) {
                             return measure(conditions, start);
                         }};
    };
    return {{.name = "idle/processor",
             .unit = "% of one",
             .more_is_better = false,
             .contenders = {of("skbtrail-nic", &measure_idleness, &start_nic)}},
            {.name = "idle/wake-up",
             .unit = "us",
             .more_is_better = false,
             .contenders = {of("skbtrail-nic", &measure_wake_up, &start_nic),
                            {"bare eventfds", &measure_bare_wake_up},
                            of("net_vhost, polling", &measure_wake_up, &start_vhost)}}};
}

}  // namespace skbtrail::bench
