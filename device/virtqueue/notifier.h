// Kicks and calls: the descriptors that front end and device wake each other with.
//
// They come from the front end, so nothing about them is certain: only eventfds and pipes (which
// the protocol allows too) are taken, and neither reading nor writing one may ever block.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "device/event_loop.h"
#include "device/result.h"
#include "device/unique_fd.h"

namespace skbtrail::device {

/// What the driver wakes the device with (SET_VRING_KICK).
class KickSource {
  public:
    KickSource() = default;
    KickSource(KickSource&&) noexcept = default;
    KickSource& operator=(KickSource&& other) noexcept {
        // The watch goes before its descriptor: epoll forgets a closed descriptor only when no
        // other process has it open, and the front end has.
        watch_ = std::move(other.watch_);
        fd_ = std::move(other.fd_);
        return *this;
    }
    KickSource(const KickSource&) = delete;
    KickSource& operator=(const KickSource&) = delete;
    ~KickSource() = default;
    /// Takes the descriptor and calls `on_kick` each time that it is written to, and once now if
    /// it has been already. Fails when it is neither an eventfd nor a pipe.
    static Result<KickSource> watch(UniqueFd fd, EventLoop& loop, std::function<void()> on_kick);

    explicit operator bool() const noexcept { return static_cast<bool>(fd_); }

  private:
    UniqueFd fd_;
    std::unique_ptr<EventLoop::FdWatch> watch_;  // after fd_: goes first
};

/// What the device wakes the driver with (SET_VRING_CALL), or tells the front end of a broken
/// ring (SET_VRING_ERR).
class CallTarget {
  public:
    /// Nobody wants to be called.
    CallTarget() = default;
    /// Fails when the descriptor is neither an eventfd nor a pipe.
    static Result<CallTarget> adopt(UniqueFd fd);

    /// Signals by calling `send`, which must not block, instead of by a descriptor.
    static CallTarget through(std::function<bool()> send);

    /// Writes one event. A counter that is full, or a pipe, is left as it is: the other side has
    /// events enough to wake up to. False when there is no descriptor or it is broken.
    bool signal();
    explicit operator bool() const noexcept { return fd_ || send_; }

  private:
    UniqueFd fd_;
    std::function<bool()> send_;
};

}  // namespace skbtrail::device
