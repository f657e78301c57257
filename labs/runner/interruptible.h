// One long piece of work that Ctrl-C ends together with what it has started.
#pragma once

#include <chrono>
#include <functional>
#include <stop_token>
#include <string>

#include "labs/runner/task.h"
#include "labs/runner/watch.h"

namespace skbtrail::labs {

/// Runs `work` within `limit` and returns what it returns. A signal asks it to stop, waits for
/// that, and throws Interrupted; the limit likewise throws DeadlinePassed. Must be called while the
/// process has one thread.
template <typename T>
T interruptibly(const std::string& name, std::chrono::milliseconds limit,
                std::function<T(std::stop_token)> work) {
    const SignalWatch signals;
    PhaseLog phases([] { return std::chrono::steady_clock::now(); }, {});
    Watch watch(phases, signals, {});
    phases.start(name, limit);
    Task<T> task(watch.wake_up(), std::move(work));
    watch.until([&] { return task.done(); });
    return task.take();
}

}  // namespace skbtrail::labs
