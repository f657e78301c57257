#include "labs/runner/time_stamp_counter.h"

#include <chrono>
#include <thread>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace skbtrail::labs {

#if defined(__x86_64__)
namespace {

using Clock = std::chrono::steady_clock;

/// Both clocks at one moment.
struct Moment {
    Clock::time_point time;
    std::uint64_t ticks = 0;
};

/// Reads both. A thread that is taken from the CPU in between reads them at two moments: of some
/// attempts the closest one counts.
Moment now() {
    Moment best;
    std::uint64_t closest = ~std::uint64_t{0};
    for (int attempt = 0; attempt < 16; ++attempt) {
        const std::uint64_t before = __rdtsc();
        const auto time = Clock::now();
        const std::uint64_t after = __rdtsc();
        if (after - before < closest) {
            closest = after - before;
            best = {time, before + closest / 2};
        }
    }
    return best;
}

}  // namespace

std::optional<std::uint64_t> measure_time_stamp_counter() {
    constexpr auto interval = std::chrono::milliseconds(20);
    const auto begin = now();
    std::this_thread::sleep_for(interval);
    const auto end = now();
    const auto passed = std::chrono::duration<double, std::milli>(end.time - begin.time).count();
    if (end.ticks <= begin.ticks || passed <= 0) return std::nullopt;
    return static_cast<std::uint64_t>(static_cast<double>(end.ticks - begin.ticks) / passed);
}
#else
std::optional<std::uint64_t> measure_time_stamp_counter() {
    return std::nullopt;
}
#endif

}  // namespace skbtrail::labs
