// When a ring that has just become empty is worth looking at again.
//
// Sleeping has a price: asking for a kick, the driver's system call to give it, ours to wait for
// it, several microseconds in all. At a high rate the next frame is there sooner than that. So a
// queue goes on looking for a short time, but only while frames come thick and fast, and ever more
// rarely if looking finds nothing: a guest that shares the processors with us needs them more.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace skbtrail::device {

class BusyPoll {
  public:
    using Clock = std::chrono::steady_clock;

    /// How long an empty ring is looked at.
    static constexpr std::chrono::microseconds longest{50};
    /// The rate that is worth it, in chains: this many in this time (640,000 a second).
    static constexpr std::uint32_t enough = 128;
    static constexpr std::chrono::microseconds window{200};

    /// Never gives up: for who has a processor to spare (--poll).
    void set_always(bool always) noexcept { always_ = always; }
    bool always() const noexcept { return always_; }

    /// Chains were there.
    void found(std::size_t chains) noexcept {
        chains_ += chains;
        if (looking_) {
            looking_ = false;
            failures_ = 0;
        }
    }
    /// The ring is empty: whether to look again, rather than sleep until the driver kicks.
    bool look_again() noexcept { return always_ || look_again(Clock::now()); }
    bool look_again(Clock::time_point now) noexcept {
        if (looking_) {
            if (now - since_ < longest) {
                return true;
            }
            looking_ = false;
            failures_ = std::min<std::uint32_t>(failures_ + 1, 6);
            passes_ = (std::uint32_t{1} << failures_) - 1;
            busy_ = false;
            start_window(now);
            return false;
        }
        const auto elapsed = now - window_began_;
        if (elapsed >= window) {
            busy_ = chains_ * window >= enough * elapsed;
            start_window(now);
        } else if (chains_ >= enough) {
            busy_ = true;
        }
        if (!busy_) {
            return false;
        }
        if (passes_ > 0) {
            --passes_;
            return false;
        }
        looking_ = true;
        since_ = now;
        return true;
    }

  private:
    void start_window(Clock::time_point now) noexcept {
        window_began_ = now;
        chains_ = 0;
    }

    bool always_ = false;
    bool looking_ = false;
    bool busy_ = false;               ///< in the last window, or in this one already
    Clock::time_point since_;         ///< looking
    Clock::time_point window_began_;  ///< of chains_
    std::uint64_t chains_ = 0;
    std::uint32_t failures_ = 0;  ///< in a row: looked, and found nothing
    std::uint32_t passes_ = 0;    ///< times not to look at all
};

}  // namespace skbtrail::device
