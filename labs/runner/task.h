// Work that blocks, in a thread of its own.
#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>

#include "labs/runner/wake_up.h"

namespace skbtrail::labs {

/// Runs a function in a thread and wakes the caller's poll loop at its end. Its destruction asks
/// the function to stop and waits for it: what runs here must end by itself soon after that, or
/// be made to (run.cpp ends the processes that libvirt waits for first).
template <typename T>
class Task {
  public:
    Task(const WakeUp& wake_up, std::function<T(std::stop_token)> work)
        : state_(std::make_shared<State>()) {
        thread_ = std::jthread(
            [state = state_, work = std::move(work), &wake_up](const std::stop_token& stop) {
                try {
                    state->value.emplace(work(stop));
                } catch (...) {
                    state->error = std::current_exception();
                }
                state->done.store(true, std::memory_order_release);
                wake_up.signal();
            });
    }

    bool done() const { return state_->done.load(std::memory_order_acquire); }

    /// What the function returned, once; throws what it threw. Waits for its end.
    T take() {
        thread_.join();
        if (state_->error) {
            std::rethrow_exception(state_->error);
        }
        // NOLINTNEXTLINE(bugprone-unchecked-optional-access): without an error there is a value
        return std::move(*state_->value);
    }

    void request_stop() { thread_.request_stop(); }

  private:
    struct State {
        std::atomic<bool> done{false};
        std::optional<T> value;
        std::exception_ptr error;
    };
    std::shared_ptr<State> state_;
    std::jthread thread_;
};

}  // namespace skbtrail::labs
