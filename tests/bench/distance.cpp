#include "tests/bench/distance.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <thread>

#include "tests/bench/pinned.h"

namespace skbtrail::bench {
namespace {

constexpr std::size_t blocks = 21;
constexpr std::uint32_t turns = 500;
constexpr std::uint32_t done = ~0u;

/// A word that has its cache line, and the one that is fetched along with it, to itself.
struct alignas(128) Word {
    std::atomic<std::uint32_t> value{0};
};

void answer(const Word& question, Word& reply) {
    for (std::uint32_t seen = 0; seen != done;) {
        const std::uint32_t now = question.value.load(std::memory_order_acquire);
        if (now != seen) {
            seen = now;
            reply.value.store(now, std::memory_order_release);
        }
    }
}

}  // namespace

double round_trip_ns(int first, int second) {
    Word question;
    Word reply;
    std::optional<Pinned> here(std::in_place, second);
    std::thread other(answer, std::cref(question), std::ref(reply));
    std::array<double, blocks> means{};
    try {
        here.reset();
        here.emplace(first);
        std::uint32_t now = 0;
        for (double& mean : means) {
            const auto began = std::chrono::steady_clock::now();
            for (std::uint32_t turn = 0; turn < turns; ++turn) {
                question.value.store(++now, std::memory_order_release);
                while (reply.value.load(std::memory_order_acquire) != now) {
                }
            }
            const std::chrono::duration<double, std::nano> took =
                std::chrono::steady_clock::now() - began;
            mean = took.count() / turns;
        }
    } catch (...) {
        question.value = done;
        other.join();
        throw;
    }
    question.value = done;
    other.join();
    std::ranges::nth_element(means, means.begin() + blocks / 2);
    return means[blocks / 2];
}

}  // namespace skbtrail::bench
