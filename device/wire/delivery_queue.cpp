#include "device/wire/delivery_queue.h"

#include <utility>

namespace skbtrail::device {

void DeliveryQueue::push(const Frame& frame) {
    if (delivering_ || !waiting_.empty()) {
        keep(frame);
        return;
    }
    if (!try_deliver(frame)) {
        keep(frame);
        return;
    }
    // What was pushed from inside Deliver.
    if (!waiting_.empty()) {
        drain();
    }
}

bool DeliveryQueue::offer(const Frame& frame) {
    if (delivering_ || !waiting_.empty() || !try_deliver(frame)) {
        return false;
    }
    if (!waiting_.empty()) {
        drain();
    }
    return true;
}

void DeliveryQueue::drain() {
    if (delivering_) {
        return;
    }
    while (!waiting_.empty()) {
        // Taken out first: Deliver may push to this queue, or clear it.
        Kept kept = std::move(waiting_.front());
        waiting_.pop_front();
        waiting_bytes_ -= kept.bytes.size();
        if (!try_deliver(Frame{kept.bytes, kept.offload, kept.queue_pair})) {
            waiting_bytes_ += kept.bytes.size();
            waiting_.push_front(std::move(kept));
            return;
        }
    }
}

void DeliveryQueue::clear() {
    counters_.dropped += waiting_.size();
    waiting_.clear();
    waiting_bytes_ = 0;
}

bool DeliveryQueue::try_deliver(const Frame& frame) {
    if (!deliver_) {
        return false;
    }
    struct Mark {
        bool& flag;
        explicit Mark(bool& f) : flag(f) { flag = true; }
        ~Mark() { flag = false; }
    } const mark(delivering_);
    const bool delivered = deliver_(frame);
    if (delivered) {
        ++counters_.frames;
        counters_.bytes += frame.bytes.size();
    }
    return delivered;
}

void DeliveryQueue::keep(const Frame& frame) {
    if (waiting_.size() >= limits_.frames || waiting_bytes_ + frame.bytes.size() > limits_.bytes) {
        ++counters_.dropped;
        return;
    }
    waiting_.push_back({{frame.bytes.begin(), frame.bytes.end()}, frame.offload, frame.queue_pair});
    waiting_bytes_ += frame.bytes.size();
}

}  // namespace skbtrail::device
