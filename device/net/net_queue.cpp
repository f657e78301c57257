#include "device/net/net_queue.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace skbtrail::device {

namespace {

/// Marks the first `written` bytes of a chain's device-writable part.
void mark_written(DirtyLog& log, const Chain& chain, std::uint32_t written) {
    for (const ChainDescriptor& buffer : chain.descriptors()) {
        if (!buffer.device_writable) {
            continue;
        }
        const std::uint32_t bytes = std::min(buffer.length, written);
        log.mark(buffer.address, bytes);
        written -= bytes;
    }
}

}  // namespace

NetQueue::NetQueue(EventLoop& loop, unsigned index, const char* role, RingEventLog* events,
                   std::function<void()> on_kick)
    : index_(index),
      events_(events),
      virtqueue_(loop, fmt::format("queue {} ({})", index, role),
                 [this, callback = std::move(on_kick)](Virtqueue::Wake wake) {
                     if (wake == Virtqueue::Wake::kick) {
                         ++counters_.kicks;
                         if (events_ != nullptr) {
                             events_->kick(index_);
                         }
                     }
                     callback();
                 }) {}

void NetQueue::note_taken(const Chain& chain) {
    if (events_ != nullptr) {
        events_->available(index_, chain);
    }
}

void NetQueue::complete(Chain&& chain, std::uint32_t written, std::uint32_t length) {
    Ring& ring = *virtqueue_.ring();
    if (events_ != nullptr) {
        events_->used(index_, ring.next_used(), chain.head(), length);
    }
    if (DirtyLog* const log = virtqueue_.log(); log != nullptr) {
        mark_written(*log, chain, written);
    }
    ring.put_used(std::move(chain), written);
    ++batch_;
}

void NetQueue::finish_batch() {
    Ring* const ring = virtqueue_.ring();
    if (ring == nullptr || batch_ == 0) {
        batch_ = 0;
        return;
    }
    batch_ = 0;
    if (ring->memory().lost()) {
        virtqueue_.fault({RingFaultKind::memory_lost,
                          "the file behind the guest's memory was cut short by the front end"});
        return;
    }
    ring->publish();
    virtqueue_.mark_ring();
    const CallDecision decision = ring->decide_call();
    const bool delivered = decision.wanted && virtqueue_.call();
    ++(delivered ? counters_.calls : counters_.calls_suppressed);
    if (events_ != nullptr) {
        events_->call(index_, decision, delivered);
    }
}

}  // namespace skbtrail::device
