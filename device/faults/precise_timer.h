// A timer that is right to some microseconds. The event loop's own round up to milliseconds, which
// is a long time for an interrupt.
#pragma once

#include <functional>

#include "device/event_loop.h"
#include "device/unique_fd.h"

namespace skbtrail::device {

class PreciseTimer {
  public:
    /// `callback` is called from the loop, once per arming. Throws std::system_error.
    PreciseTimer(EventLoop& loop, std::function<void()> callback);
    PreciseTimer(const PreciseTimer&) = delete;
    PreciseTimer& operator=(const PreciseTimer&) = delete;

    /// Arms for `deadline`, in place of an earlier one.
    void arm(EventLoop::Clock::time_point deadline);
    void disarm();

  private:
    UniqueFd fd_;
    EventLoop::FdWatch watch_;  // after fd_: goes first
};

}  // namespace skbtrail::device
