#include "device/control/debugger.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace skbtrail::device {

Debugger::Debugger(unsigned queues, std::function<void(const Stop&)> on_stop,
                   std::function<void(unsigned)> poke)
    : queues_(queues), on_stop_(std::move(on_stop)), poke_(std::move(poke)) {}

bool Debugger::active() const noexcept {
    return frames_held_ || !breakpoints_.empty() ||
           std::any_of(queues_.begin(), queues_.end(), [](const QueueHold& queue) {
               return queue.paused || queue.to_notification;
           });
}

void Debugger::resume(unsigned queue) {
    queues_[queue].paused = false;
    queues_[queue].to_notification = false;
    queues_[queue].steps = 0;
    poke_(queue);
}

void Debugger::step(unsigned queue, std::uint64_t count) {
    queues_[queue].paused = true;
    queues_[queue].to_notification = false;
    queues_[queue].steps += count;
    poke_(queue);
}

void Debugger::step_to_notification(unsigned queue) {
    queues_[queue].paused = false;
    queues_[queue].to_notification = true;
    poke_(queue);
}

void Debugger::hold_frames() {
    frames_held_ = true;
}

void Debugger::release_frames(std::optional<std::uint64_t> count) {
    frames_held_ = count && frames_held_;
    frame_credits_ = frames_held_ ? frame_credits_ + *count : 0;
    for (unsigned queue = 0; queue < queues_.size(); ++queue) {
        if (receives(queue)) {
            poke_(queue);
        }
    }
}

Result<unsigned> Debugger::add(Breakpoint breakpoint) {
    if (breakpoints_.size() == most_breakpoints) {
        return failure(fmt::format("{} breakpoints are the most; remove one", most_breakpoints));
    }
    if (const auto queue = breakpoint.queue(); queue && *queue >= queues_.size()) {
        return failure(
            fmt::format("there is no queue {}: this device has {}", *queue, queues_.size()));
    }
    breakpoints_.push_back({next_number_, std::move(breakpoint), 0});
    return next_number_++;
}

bool Debugger::remove(unsigned number) {
    return std::erase_if(breakpoints_, [number](const NumberedBreakpoint& one) {
               return one.number == number;
           }) > 0;
}

Debugger::QueueView Debugger::view(unsigned queue) const {
    const QueueHold& hold = queues_[queue];
    return {hold.paused, frames_held_ && receives(queue), hold.asked, hold.steps};
}

void Debugger::clear() {
    breakpoints_.clear();
    frames_held_ = false;
    frame_credits_ = 0;
    for (unsigned queue = 0; queue < queues_.size(); ++queue) {
        resume(queue);
    }
}

std::size_t Debugger::may_take(unsigned queue, std::size_t wanted) {
    QueueHold& hold = queues_[queue];
    // One at a time, so that a queue stops right where a breakpoint is.
    std::uint64_t allowed = std::min<std::uint64_t>(wanted, 1);
    if (hold.paused) {
        allowed = std::min(allowed, hold.steps);
    }
    if (frames_held_ && receives(queue)) {
        allowed = std::min(allowed, frame_credits_);
    }
    hold.asked = wanted > 0 && allowed == 0;
    return static_cast<std::size_t>(allowed);
}

bool Debugger::may_pass(unsigned queue, const Chain& chain, std::span<const std::byte> frame) {
    QueueHold& hold = queues_[queue];
    const ChainSight sight{chain.available_index(), chain.head(), frame};
    const bool stepped_over = hold.stopped_at == sight.index;
    if (!stepped_over && check(queue, QueueMoment::available, &sight)) {
        hold.stopped_at = sight.index;
        hold.asked = true;
        return false;
    }
    hold.stopped_at.reset();
    if (hold.paused && hold.steps > 0) {
        --hold.steps;
    }
    if (frames_held_ && receives(queue) && frame_credits_ > 0) {
        --frame_credits_;
    }
    return true;
}

QueueGate::Completion Debugger::on_complete(unsigned queue, const Chain& chain) {
    const ChainSight sight{chain.available_index(), chain.head(), {}};
    check(queue, QueueMoment::used, &sight);
    return Completion::now;
}

QueueGate::CallVerdict Debugger::on_call(unsigned queue, bool wanted) {
    notification(queue, wanted ? QueueMoment::call : QueueMoment::call_suppressed);
    return CallVerdict::now;
}

void Debugger::on_kick(unsigned queue) {
    notification(queue, QueueMoment::kick);
}

void Debugger::on_stopped(unsigned queue) {
    queues_[queue].stopped_at.reset();
    queues_[queue].asked = false;
}

bool Debugger::check(unsigned queue, QueueMoment moment, const ChainSight* sight) {
    for (NumberedBreakpoint& one : breakpoints_) {
        if (!one.breakpoint.matches(queue, moment, sight)) {
            continue;
        }
        ++one.hits;
        queues_[queue].paused = true;
        queues_[queue].to_notification = false;
        queues_[queue].steps = 0;
        Stop stop{queue, moment, one.number, {}, {}, 0};
        if (sight != nullptr) {
            stop.index = sight->index;
            stop.head = sight->head;
            stop.length = sight->frame.size();
        }
        on_stop_(stop);
        return true;
    }
    return false;
}

void Debugger::notification(unsigned queue, QueueMoment moment) {
    if (!check(queue, moment, nullptr) && std::exchange(queues_[queue].to_notification, false)) {
        queues_[queue].paused = true;
        on_stop_({queue, moment, {}, {}, {}, 0});
    }
}

}  // namespace skbtrail::device
