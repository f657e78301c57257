// The NIC's one thread: waits for file descriptors and timers, and sleeps when there is nothing.
//
// Everything in the NIC runs in callbacks of this loop, one at a time, so nothing needs a lock. A
// callback never blocks. It may add and drop registrations, its own included: a registration that
// is dropped is not called again, even when the kernel had already reported it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include <sys/epoll.h>

namespace skbtrail::device {

class EventLoop {
  public:
    using Clock = std::chrono::steady_clock;
    /// Gets the EPOLL* bits that are ready; EPOLLERR and EPOLLHUP come unasked.
    using FdCallback = std::function<void(std::uint32_t events)>;
    using Callback = std::function<void()>;
    /// Returns whether there was something to do.
    using PollCallback = std::function<bool()>;

  private:
    struct State;
    struct FdEntry;
    struct TimerEntry;
    struct HookEntry;
    struct PollEntry;

  public:
    /// Interest in one descriptor, until dropped. Does not own the descriptor; drop the watch
    /// before closing it. May outlive the loop, and does nothing then.
    class FdWatch {
      public:
        FdWatch() = default;
        FdWatch(FdWatch&& other) noexcept = default;
        FdWatch& operator=(FdWatch&& other) noexcept;
        FdWatch(const FdWatch&) = delete;
        FdWatch& operator=(const FdWatch&) = delete;
        ~FdWatch() { reset(); }

        /// Waits for other events from now on; 0 keeps the registration and asks for none.
        void set_events(std::uint32_t events);
        void reset() noexcept;
        explicit operator bool() const noexcept { return entry_ != nullptr; }

      private:
        friend class EventLoop;
        std::weak_ptr<State> state_;
        std::shared_ptr<FdEntry> entry_;
    };

    /// A timer that fires once per arming, and can be armed again.
    class Timer {
      public:
        Timer() = default;
        Timer(Timer&& other) noexcept = default;
        Timer& operator=(Timer&& other) noexcept;
        Timer(const Timer&) = delete;
        Timer& operator=(const Timer&) = delete;
        ~Timer() { reset(); }

        /// Arms anew, in place of an earlier deadline that has not come. A deadline that has
        /// passed fires in the next turn of the loop.
        void arm(Clock::time_point deadline);
        /// Will not fire until armed again.
        void disarm() noexcept;
        bool armed() const noexcept;
        void reset() noexcept;
        explicit operator bool() const noexcept { return entry_ != nullptr; }

      private:
        friend class EventLoop;
        std::weak_ptr<State> state_;
        std::shared_ptr<TimerEntry> entry_;
    };

    /// A callback at a fixed place of each turn, until dropped.
    class Hook {
      public:
        Hook() = default;
        Hook(Hook&& other) noexcept = default;
        Hook& operator=(Hook&& other) noexcept;
        Hook(const Hook&) = delete;
        Hook& operator=(const Hook&) = delete;
        ~Hook() { reset(); }

        void reset() noexcept;

      private:
        friend class EventLoop;
        std::shared_ptr<HookEntry> entry_;
    };

    /// Something that is looked at again and again, instead of being waited for, while it is
    /// awake: memory that another process writes to without saying so. As long as any is awake the
    /// loop does not sleep.
    class Poll {
      public:
        Poll() = default;
        Poll(Poll&& other) noexcept = default;
        Poll& operator=(Poll&& other) noexcept;
        Poll(const Poll&) = delete;
        Poll& operator=(const Poll&) = delete;
        ~Poll() { reset(); }

        void wake() noexcept;
        void sleep() noexcept;
        bool awake() const noexcept;
        void reset() noexcept;

      private:
        friend class EventLoop;
        std::weak_ptr<State> state_;
        std::shared_ptr<PollEntry> entry_;
    };

    /// Throws std::system_error when the kernel gives no epoll instance.
    EventLoop();
    ~EventLoop();
    EventLoop(const EventLoop&) = delete;
    EventLoop& operator=(const EventLoop&) = delete;

    /// Calls `callback` when one of `events` (EPOLLIN, EPOLLOUT, EPOLLET …) is ready on `fd`.
    /// Throws std::system_error when the descriptor cannot be waited for (closed: EBADF, a
    /// regular file: EPERM, watched already: EEXIST).
    [[nodiscard]] FdWatch add_fd(int fd, std::uint32_t events, FdCallback callback);

    /// A timer that is not armed yet.
    [[nodiscard]] Timer add_timer(Callback callback);
    /// A timer armed for `deadline`.
    [[nodiscard]] Timer add_timer(Clock::time_point deadline, Callback callback);

    /// A poll that is not awake yet. It may put itself to sleep in its callback.
    [[nodiscard]] Poll add_poll(PollCallback callback);

    /// Before each wait, also a wait that will return at once: the place to bring the set of
    /// watched descriptors up to date.
    [[nodiscard]] Hook before_wait(Callback callback);
    /// When nothing is ready and the loop is about to sleep: the place to flush files. The hook
    /// may create work; the loop looks again before it sleeps.
    [[nodiscard]] Hook on_idle(Callback callback);

    /// Runs until stop() is called.
    void run();
    /// One turn: waits at most `longest` for something to happen and handles what is ready.
    /// Returns whether anything was. For tests.
    bool turn(std::chrono::milliseconds longest);
    /// Makes run() return after the current turn. Called from a callback.
    void stop() noexcept;

  private:
    /// Looks at everything that is awake, again and again, but not so long that descriptors and
    /// timers would notice.
    void look_at_polls();
    bool wait_and_dispatch(int timeout_ms);
    bool fire_due_timers();
    int timeout_until_next_timer(int longest_ms) const;

    std::shared_ptr<State> state_;
};

}  // namespace skbtrail::device
