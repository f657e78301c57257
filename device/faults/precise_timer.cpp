#include "device/faults/precise_timer.h"

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
    : fd_(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) {
    if (!fd_) {
        throw std::system_error(errno, std::generic_category(), "timerfd_create");
    }
    watch_ = loop.add_fd(fd_.get(), EPOLLIN,
                         [fd = fd_.get(), done = std::move(callback)](std::uint32_t) {
                             std::uint64_t expired = 0;
                             // Nothing to read: it was armed anew after it had fired.
                             if (::read(fd, &expired, sizeof expired) == sizeof expired) {
                                 done();
                             }
                         });
}

void PreciseTimer::arm(EventLoop::Clock::time_point deadline) {
    // steady_clock is CLOCK_MONOTONIC. A time of 0 would disarm.
    const auto ns = std::max<std::int64_t>(
        1,
        std::chrono::duration_cast<std::chrono::nanoseconds>(deadline.time_since_epoch()).count());
    itimerspec when{};
    when.it_value.tv_sec = ns / 1'000'000'000;
    when.it_value.tv_nsec = ns % 1'000'000'000;
    ::timerfd_settime(fd_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
}

void PreciseTimer::disarm() {
    const itimerspec never{};
    ::timerfd_settime(fd_.get(), 0, &never, nullptr);
}

}  // namespace skbtrail::device
