#include "device/faults/queue_faults.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace skbtrail::device {

namespace {

bool concerns(const FaultSpec& spec, FaultKind kind, unsigned queue) {
    if (spec.kind != kind || (spec.queue && *spec.queue != queue)) {
        return false;
    }
    const bool receives = queue % 2 == 0;
    return (kind != FaultKind::no_buffers || receives) &&
           (kind != FaultKind::never_used || !receives);
}

}  // namespace

QueueFaults::QueueFaults(FaultSet& faults, unsigned queues, EventLoop& loop, QueueActions actions)
    : faults_(faults),
      actions_(std::move(actions)),
      queues_(queues),
      timer_(loop, [this] { fire(); }) {}

Fault* QueueFaults::strikes(FaultKind kind, unsigned queue) {
    Fault* first = nullptr;
    for (const auto& fault : faults_.all()) {
        if (concerns(fault->spec(), kind, queue) && fault->strikes() && first == nullptr) {
            first = fault.get();
        }
    }
    return first;
}

Fault* QueueFaults::present(FaultKind kind, unsigned queue) const {
    for (const auto& fault : faults_.all()) {
        if (concerns(fault->spec(), kind, queue)) {
            return fault.get();
        }
    }
    return nullptr;
}

std::size_t QueueFaults::may_take(unsigned queue, std::size_t wanted) {
    QueueState& state = queues_[queue];
    if (state.starved_until) {
        return 0;
    }
    if (queue % 2 != 0 || std::exchange(state.starved_before, false)) {
        return wanted;
    }
    if (Fault* const fault = strikes(FaultKind::no_buffers, queue)) {
        state.starved_until = Clock::now() + fault->time();
        at(*state.starved_until, Due::buffers, queue);
        return 0;
    }
    return wanted;
}

QueueGate::Completion QueueFaults::on_complete(unsigned queue, const Chain& /*chain*/) {
    QueueState& state = queues_[queue];
    ++state.completed;
    Fault* const never = strikes(FaultKind::never_used, queue);
    Fault* const unordered = strikes(FaultKind::unordered_used, queue);
    if (never == nullptr && unordered == nullptr) {
        return Completion::now;
    }
    if (actions_.in_order()) {
        for (Fault* const fault : {never, unordered}) {
            if (fault != nullptr) {
                fault->could_not();
            }
        }
        return Completion::now;
    }
    if (never != nullptr) {
        return Completion::never;
    }
    state.release_all = false;  // of others, which went back with a change of memory
    at(Clock::now() + unordered->spec().time, Due::release, queue);
    return Completion::withhold;
}

void QueueFaults::releases(unsigned queue, std::size_t kept, std::vector<std::size_t>& now) {
    QueueState& state = queues_[queue];
    Fault* const fault = present(FaultKind::unordered_used, queue);
    const bool all = std::exchange(state.release_all, false) || fault == nullptr;
    if (kept == 0 || (!all && kept < fault->spec().number)) {
        return;
    }
    cancel(Due::release, queue);
    now.resize(kept);
    std::iota(now.begin(), now.end(), std::size_t{0});
    if (fault == nullptr) {
        return;
    }
    // Fisher and Yates, by the fault's own dice.
    for (std::size_t last = kept - 1; last > 0; --last) {
        std::swap(now[last], now[fault->dice().below(last + 1)]);
    }
}

QueueGate::CallVerdict QueueFaults::on_call(unsigned queue, bool wanted) {
    QueueState& state = queues_[queue];
    if (Fault* const fault = present(FaultKind::coalesce, queue)) {
        if (!wanted && !state.call_owed) {
            return CallVerdict::now;
        }
        if (state.completed >= fault->spec().number) {
            state.completed = 0;
            state.call_owed = false;
            cancel(Due::coalesced, queue);
            return CallVerdict::owed;
        }
        if (!std::exchange(state.call_owed, true)) {
            fault->strikes();
            at(Clock::now() + fault->time(), Due::coalesced, queue);
        }
        return CallVerdict::later;
    }
    state.completed = 0;
    if (!wanted) {
        return CallVerdict::now;
    }
    if (strikes(FaultKind::lost_call, queue) != nullptr) {
        return CallVerdict::drop;
    }
    if (Fault* const fault = strikes(FaultKind::late_call, queue)) {
        at(Clock::now() + fault->time(), Due::late_call, queue);
        return CallVerdict::later;
    }
    return strikes(FaultKind::double_call, queue) != nullptr ? CallVerdict::twice
                                                             : CallVerdict::now;
}

void QueueFaults::on_stopped(unsigned queue) {
    std::erase_if(due_, [queue](const auto& entry) { return entry.second.second == queue; });
    queues_[queue] = {};
}

void QueueFaults::faults_changed() {
    // The callbacks that come too early find nothing to do any more, or do it.
    for (unsigned queue = 0; queue < queues_.size(); ++queue) {
        QueueState& state = queues_[queue];
        if (state.starved_until && present(FaultKind::no_buffers, queue) == nullptr) {
            state.starved_until.reset();
            cancel(Due::buffers, queue);
            actions_.poke(queue);
        }
        if (state.call_owed && present(FaultKind::coalesce, queue) == nullptr) {
            state.call_owed = false;
            cancel(Due::coalesced, queue);
            actions_.call_late(queue);
        }
        if (present(FaultKind::unordered_used, queue) == nullptr && cancel(Due::release, queue)) {
            actions_.poke(queue);
        }
    }
}

void QueueFaults::at(Clock::time_point when, Due what, unsigned queue) {
    due_.emplace(when, std::pair(what, queue));
    timer_.arm(due_.begin()->first);
}

bool QueueFaults::cancel(Due what, unsigned queue) {
    return std::erase_if(
               due_, [&](const auto& entry) { return entry.second == std::pair(what, queue); }) > 0;
}

void QueueFaults::fire() {
    const auto now = Clock::now();
    while (!due_.empty() && due_.begin()->first <= now) {
        const auto [what, queue] = due_.begin()->second;
        due_.erase(due_.begin());
        QueueState& state = queues_[queue];
        switch (what) {
            case Due::buffers:
                state.starved_until.reset();
                state.starved_before = true;
                actions_.poke(queue);
                break;
            case Due::late_call:
                actions_.call_late(queue);
                break;
            case Due::coalesced:
                state.call_owed = false;
                state.completed = 0;
                actions_.call_late(queue);
                break;
            case Due::release:
                state.release_all = true;
                cancel(Due::release, queue);
                actions_.poke(queue);
                break;
        }
    }
    if (!due_.empty()) {
        timer_.arm(due_.begin()->first);
    }
}

}  // namespace skbtrail::device
