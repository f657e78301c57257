// Waiting for who connects, without spinning when nobody can be let in.
#pragma once

#include <chrono>
#include <functional>

#include "device/event_loop.h"

namespace skbtrail::device {

/// How long a listening socket is left alone after accepting has failed, for want of descriptors
/// most likely: it stays readable, and asking again at once would fail again, and for ever.
inline constexpr std::chrono::seconds accept_rest{1};

/// A listening socket in an event loop.
class AcceptWatch {
  public:
    /// `on_newcomer` is called when somebody waits to be accepted. Throws std::system_error.
    AcceptWatch(EventLoop& loop, int listener, const std::function<void()>& on_newcomer)
        : watch_(loop.add_fd(listener, EPOLLIN, [on_newcomer](std::uint32_t) { on_newcomer(); })),
          again_(loop.add_timer([this] { watch_.set_events(EPOLLIN); })) {}
    AcceptWatch(const AcceptWatch&) = delete;
    AcceptWatch& operator=(const AcceptWatch&) = delete;

    /// Looks away for accept_rest: accepting has failed.
    void rest() {
        watch_.set_events(0);
        again_.arm(EventLoop::Clock::now() + accept_rest);
    }

  private:
    EventLoop::FdWatch watch_;
    EventLoop::Timer again_;
};

}  // namespace skbtrail::device
