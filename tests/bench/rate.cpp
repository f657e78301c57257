#include "tests/bench/rate.h"

#include <algorithm>
#include <thread>

#include "tests/bench/precedence.h"
#include "tests/bench/results.h"
#include "tests/dpdk/run_times.h"

namespace skbtrail::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto first_frame_limit = std::chrono::seconds(5);
constexpr auto settling = std::chrono::milliseconds(150);
constexpr auto window_length = std::chrono::milliseconds(100);
constexpr double quiet_share = 0.03;

bool wait_for_frames(const FrameCount& count) {
    const auto deadline = Clock::now() + first_frame_limit;
    const auto before = count();
    while (count() == before) {
        if (Clock::now() > deadline) {
            return false;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return true;
}

std::vector<std::chrono::nanoseconds> waits_of(const std::vector<pid_t>& processes) {
    std::vector<std::chrono::nanoseconds> waits;
    for (const pid_t process : processes) {
        waits.push_back(dpdk::run_times_of(process).waiting);
    }
    return waits;
}

/// The largest share of `seconds` that any of the processes waited.
double waited_share(const std::vector<std::chrono::nanoseconds>& before,
                    const std::vector<std::chrono::nanoseconds>& after, double seconds) {
    double share = 0;
    for (std::size_t i = 0; i < before.size(); ++i) {
        share = std::max(share, std::chrono::duration<double>(after[i] - before[i]).count());
    }
    return share / seconds;
}

}  // namespace

Sample measure_rate(const FrameCount& count, const std::vector<pid_t>& processes,
                    const Conditions& conditions) {
    Sample sample;
    if (!wait_for_frames(count)) {
        sample.missing = "no frame came through within 5 s";
        return sample;
    }
    const Precedence precedence(conditions.realtime, processes,
                                conditions.window + settling + std::chrono::seconds(1));
    std::this_thread::sleep_for(settling);
    std::vector<double> all;
    std::vector<double> quiet;
    const auto all_frames_before = count();
    const auto ran_before = dpdk::run_times_of(processes.back()).running;
    const auto end = Clock::now() + conditions.window;
    do {
        const auto waits_before = waits_of(processes);
        const auto frames_before = count();
        const auto began = Clock::now();
        std::this_thread::sleep_for(window_length);
        const auto frames = count() - frames_before;
        const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
        const double rate = static_cast<double>(frames) / seconds / 1e6;
        all.push_back(rate);
        if (waited_share(waits_before, waits_of(processes), seconds) < quiet_share) {
            quiet.push_back(rate);
        }
    } while (Clock::now() < end);
    const std::chrono::duration<double, std::nano> ran =
        dpdk::run_times_of(processes.back()).running - ran_before;
    const auto all_frames = std::max<std::uint64_t>(count() - all_frames_before, 1);
    sample.disturbed = quiet.size() * 3 < all.size();
    sample.value = median_of(sample.disturbed ? all : quiet);
    sample.details = {{"windows", static_cast<double>(all.size())},
                      {"quiet windows", static_cast<double>(quiet.size())},
                      {"processor_ns", ran.count() / static_cast<double>(all_frames)}};
    return sample;
}

}  // namespace skbtrail::bench
