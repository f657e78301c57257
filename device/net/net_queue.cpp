#include "device/net/net_queue.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace skbtrail::device {

namespace {

/// What can be read and written no more as the front end shared it; nullptr: all can.
const char* lost_file(const Ring& ring, const DirtyLog* log) {
    return ring.memory().lost()            ? "the guest's memory"
           : ring.tracking_lost()          ? "its chains in flight"
           : log != nullptr && log->lost() ? "the log of written pages"
                                           : nullptr;
}

}  // namespace

NetQueue::NetQueue(EventLoop& loop, unsigned index, const char* role, RingEventLog* events,
                   std::function<void()> on_kick, EventLoop::PollCallback look)
    : index_(index),
      events_(events),
      wake_(std::move(on_kick)),
      poll_(loop.add_poll(std::move(look))),
      virtqueue_(loop, fmt::format("queue {} ({})", index, role), [this](Virtqueue::Wake wake) {
          if (wake == Virtqueue::Wake::kick) {
              ++counters_.kicks;
              if (events_ != nullptr) {
                  events_->kick(index_);
              }
              if (gate_ != nullptr) {
                  gate_->on_kick(index_);
              }
          } else {
              busy_.set_always(always_poll_ || virtqueue_.polled());
          }
          wake_();
      }) {
    if (events_ != nullptr) {
        virtqueue_.watch_kicks();
    }
}

void NetQueue::reset_counters() noexcept {
    counters_ = {};
    chain_sizes_ = {};
    batch_sizes_ = {};
}

void NetQueue::set_gate(QueueGate* gate) {
    if (gate == nullptr && gate_ != nullptr) {
        return_withheld();
        finish_batch();
    }
    gate_ = gate;
}

void NetQueue::note_kick_suppressed() {
    const KickDecision decision = virtqueue_.ring()->decide_kick();
    if (decision.pending && !decision.wanted) {
        events_->kick_suppressed(index_, decision);
    }
}

void NetQueue::poke() {
    if (virtqueue_.ring() != nullptr) {
        finish_batch();
        wake_();
    }
}

void NetQueue::call_late() {
    if (virtqueue_.ring() != nullptr && virtqueue_.call()) {
        ++counters_.calls;
        ++counters_.calls_late;
        if (events_ != nullptr) {
            events_->late_call(index_, virtqueue_.ring()->next_used());
        }
    }
}

void NetQueue::complete_gated(Chain&& chain, std::uint32_t written, std::uint32_t length) {
    switch (gate_->on_complete(index_, chain)) {
        case QueueGate::Completion::now:
            put(std::move(chain), written, length);
            break;
        case QueueGate::Completion::withhold:
            withheld_.push_back({std::move(chain), written, length});
            break;
        case QueueGate::Completion::never:
            break;
    }
}

void NetQueue::mark_written(const Chain& chain, std::uint32_t written) {
    for (const ChainDescriptor& buffer : chain.descriptors()) {
        if (!buffer.device_writable) {
            continue;
        }
        const std::uint32_t bytes = std::min(buffer.length, written);
        virtqueue_.log()->mark(buffer.address, bytes);
        written -= bytes;
    }
}

void NetQueue::release_withheld() {
    if (withheld_.empty() || virtqueue_.ring() == nullptr) {
        return;
    }
    releases_.clear();
    gate_->releases(index_, withheld_.size(), releases_);
    for (const std::size_t position : releases_) {
        Withheld& released = withheld_[position];
        put(std::move(released.chain), released.written, released.length);
    }
    std::sort(releases_.begin(), releases_.end());
    for (auto position = releases_.rbegin(); position != releases_.rend(); ++position) {
        withheld_.erase(withheld_.begin() + static_cast<std::ptrdiff_t>(*position));
    }
}

void NetQueue::return_withheld() {
    // Without a ring they are no loans any more.
    if (virtqueue_.ring() != nullptr) {
        for (Withheld& one : withheld_) {
            put(std::move(one.chain), one.written, one.length);
        }
    }
    withheld_.clear();
}

void NetQueue::settle() {
    return_withheld();
    finish_batch();
}

void NetQueue::retire() {
    settle();
    if (gate_ != nullptr) {
        gate_->on_stopped(index_);
    }
}

void NetQueue::show_completed() {
    Ring* const ring = virtqueue_.ring();
    const std::size_t batch = std::exchange(batch_, 0);
    if (ring == nullptr) {
        return;
    }
    batch_sizes_.add(batch);
    if (const char* const file = lost_file(*ring, virtqueue_.log())) {
        virtqueue_.fault({RingFaultKind::memory_lost,
                          fmt::format("the file behind {} was cut short by the front end", file)});
        return;
    }
    ring->publish();
    virtqueue_.mark_ring();
    const CallDecision decision = ring->decide_call();
    bool again = false;
    const bool delivered = gate_ == nullptr ? decision.wanted && virtqueue_.call()
                                            : gated_call(decision.wanted, again);
    ++(delivered ? counters_.calls : counters_.calls_suppressed);
    if (events_ != nullptr) {
        events_->call(index_, decision, delivered, gate_ != nullptr);
    }
    if (again) {
        call_late();
    }
}

bool NetQueue::gated_call(bool wanted, bool& again) {
    const auto verdict = gate_->on_call(index_, wanted);
    const bool withheld =
        verdict == QueueGate::CallVerdict::drop || verdict == QueueGate::CallVerdict::later;
    counters_.calls_withheld += withheld && wanted ? 1 : 0;
    if (withheld || (!wanted && verdict != QueueGate::CallVerdict::owed)) {
        return false;
    }
    again = verdict == QueueGate::CallVerdict::twice;
    return virtqueue_.call();
}

}  // namespace skbtrail::device
