// How a run goes on: work that blocks runs in tasks, each of which is a phase; the main thread
// waits for all of them, the guest and the user at once.
#pragma once

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>

#include "labs/runner/failure.h"
#include "labs/runner/phases.h"
#include "labs/runner/task.h"
#include "labs/runner/watch.h"

namespace skbtrail::labs {

class Steering {
  public:
    /// `tick` is called about ten times a second while waiting.
    Steering(PhaseLog& phases, const SignalWatch& signals, std::function<void()> tick)
        : phases_(phases), watch_(phases, signals, std::move(tick)) {}

    PhaseLog& phases() { return phases_; }
    Watch& watch() { return watch_; }

    /// Runs `work(stop, text)` in a task that is the phase: its end is the phase's, with `text`;
    /// its error the phase's failure. The task is a member of the caller, never a local: should the
    /// run be given up, what it waits for is ended before anybody waits for it.
    template <typename T, typename Work>
    void background(std::unique_ptr<Task<T>>& task, const std::string& phase,
                    std::chrono::milliseconds limit, Work work) {
        phases_.start(phase, limit);
        task = std::make_unique<Task<T>>(
            watch_.wake_up(),
            [this, phase, work = std::move(work)](const std::stop_token& stop) -> T {
                try {
                    std::string text;
                    T value = work(stop, text);
                    phases_.finish(phase, text);
                    return value;
                } catch (const std::exception& error) {
                    phases_.fail(phase, error.what());
                    throw;
                }
            });
    }

    /// Serves everything until the condition holds or any phase has failed.
    void wait(const std::function<bool()>& done) {
        watch_.until([&] { return done() || task_failed(); });
        if (const auto failure = phases_.failure(); !done() && failure) {
            throw CannotRun(failure->text);
        }
    }

    template <typename T>
    T await(const std::unique_ptr<Task<T>>& task) {
        wait([&] { return task->done(); });
        return task->take();
    }

    template <typename T>
    static void stop(const std::unique_ptr<Task<T>>& task) {
        if (task) {
            task->request_stop();
        }
    }

    /// Whether there is a guest that is heard to its end when it reports a failure
    /// (guest_progress.h).
    void hear_guest(bool heard) { guest_heard_ = heard; }

  private:
    bool task_failed() const { return !guest_heard_ && phases_.failure().has_value(); }

    PhaseLog& phases_;
    Watch watch_;
    bool guest_heard_ = false;
};

}  // namespace skbtrail::labs
