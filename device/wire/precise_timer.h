// A timer finer than the event loop's own, which count milliseconds.
#pragma once

#include <functional>

#include "device/event_loop.h"
#include "device/unique_fd.h"

namespace skbtrail::device {

/// Fires once per arming, to the precision of the kernel's timers.
class PreciseTimer {
  public:
    /// Throws std::system_error when the kernel gives no timer.
    PreciseTimer(EventLoop& loop, std::function<void()> callback);
    PreciseTimer(const PreciseTimer&) = delete;
    PreciseTimer& operator=(const PreciseTimer&) = delete;

    /// In place of an earlier deadline. One that has passed fires in the next turn of the loop.
    void arm(EventLoop::Clock::time_point deadline) noexcept;
    void disarm() noexcept;

  private:
    UniqueFd fd_;
    std::function<void()> callback_;
    EventLoop::FdWatch watch_;
};

}  // namespace skbtrail::device
