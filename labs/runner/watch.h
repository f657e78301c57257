// The one place where a run waits: for descriptors, for the deadline of the running phases, and for
// the user's Ctrl-C, all at once. Nothing in a run blocks anywhere else in the main thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "device/unique_fd.h"
#include "labs/runner/failure.h"
#include "labs/runner/phases.h"
#include "labs/runner/wake_up.h"

namespace skbtrail::labs {

/// A phase did not end in time.
class DeadlinePassed : public CannotRun {
  public:
    using CannotRun::CannotRun;
};

/// Turns SIGINT, SIGTERM and SIGHUP into a readable descriptor, for as long as it exists. Made
/// before any other thread, which inherit that they are blocked.
class SignalWatch {
  public:
    SignalWatch();
    ~SignalWatch();
    SignalWatch(const SignalWatch&) = delete;
    SignalWatch& operator=(const SignalWatch&) = delete;

    int fd() const { return fd_.get(); }
    /// The name of the signal that came, "SIGINT"; empty when none did.
    std::string take() const;

  private:
    device::UniqueFd fd_;
    struct Saved;
    std::unique_ptr<Saved> saved_;
};

class Watch {
  public:
    /// `tick` is called about ten times a second while waiting: a live display moves on.
    Watch(PhaseLog& phases, const SignalWatch& signals, std::function<void()> tick);

    /// Calls `ready` from until() whenever `fd` is readable or was hung up.
    void add(int fd, std::function<void()> ready);
    void remove(int fd);
    /// For tasks: wakes until(), which then asks its condition again.
    const WakeUp& wake_up() const { return wake_up_; }

    /// Serves descriptors until `done()`. Throws Interrupted when a signal comes, DeadlinePassed
    /// when a running phase is overdue, and what a callback throws.
    void until(const std::function<bool()>& done);

  private:
    int wait_limit() const;
    void check_deadlines() const;

    PhaseLog& phases_;
    const SignalWatch& signals_;
    std::function<void()> tick_;
    WakeUp wake_up_;
    std::map<int, std::function<void()>> ready_;
};

}  // namespace skbtrail::labs
