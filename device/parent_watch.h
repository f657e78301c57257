// Ends with the process that started us.
#pragma once

#include <functional>

#include "device/event_loop.h"
#include "device/result.h"
#include "device/unique_fd.h"

namespace skbtrail::device {

/// Calls back when the parent process ends, however it does.
///
/// prctl(PR_SET_PDEATHSIG) is not used: it fires when the parent's *thread* that forked ends, and
/// a program that starts us from a worker thread would lose us. A pidfd waits for the process.
class ParentWatch {
  public:
    /// `parent` is getppid(), taken before anything else was done: if it has changed since, the
    /// parent is gone already and this fails.
    static Result<ParentWatch> start(EventLoop& loop, int parent, std::function<void()> on_end);

    ParentWatch(ParentWatch&&) noexcept = default;
    ParentWatch& operator=(ParentWatch&&) = delete;
    ParentWatch(const ParentWatch&) = delete;
    ParentWatch& operator=(const ParentWatch&) = delete;
    ~ParentWatch() = default;

  private:
    ParentWatch() = default;

    UniqueFd fd_;
    EventLoop::FdWatch watch_;
};

}  // namespace skbtrail::device
