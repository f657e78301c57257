#include "device/wire/precise_timer.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <system_error>
#include <utility>

#include <sys/timerfd.h>
#include <unistd.h>

namespace skbtrail::device {

PreciseTimer::PreciseTimer(EventLoop& loop, std::function<void()> callback)
    : fd_(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)),
      callback_(std::move(callback)) {
    if (!fd_) {
        throw std::system_error(errno, std::generic_category(), "cannot create a timer");
    }
    watch_ = loop.add_fd(fd_.get(), EPOLLIN, [this](std::uint32_t) {
        std::uint64_t fired = 0;
        if (::read(fd_.get(), &fired, sizeof fired) == sizeof fired) {
            callback_();
        }
    });
}

void PreciseTimer::arm(EventLoop::Clock::time_point deadline) noexcept {
    // Clock is the monotonic one; a deadline of zero would disarm.
    const auto since = std::max(deadline.time_since_epoch(), EventLoop::Clock::duration(1));
    const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
    itimerspec times{};
    times.it_value.tv_sec = seconds.count();
    times.it_value.tv_nsec =
        std::chrono::duration_cast<std::chrono::nanoseconds>(since - seconds).count();
    ::timerfd_settime(fd_.get(), TFD_TIMER_ABSTIME, &times, nullptr);
}

void PreciseTimer::disarm() noexcept {
    const itimerspec never{};
    ::timerfd_settime(fd_.get(), 0, &never, nullptr);
}

}  // namespace skbtrail::device
