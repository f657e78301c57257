#include "device/wire/delivery_queue.h"

#include <utility>

namespace skbtrail::device {

void DeliveryQueue::push(const Frame& frame) {
    if (delivering_) {
        keep(pushed_, frame);
        return;
    }
    place(frame);
    place_pushed();
}

Delivery DeliveryQueue::offer(const Frame& frame) {
    if (delivering_) {
        return false;
    }
    const Delivery delivery = try_deliver(frame);
    if (delivery) {
        place_pushed();
    }
    return delivery;
}

void DeliveryQueue::drain() {
    if (delivering_ || waiting_ == 0) {
        return;
    }
    for (auto& [pair, line] : starved_) {
        while (!line.frames.empty()) {
            // Taken out first: Deliver may push to this queue, or clear it.
            FrameCopy kept = take_first(line);
            if (!try_deliver(kept.frame())) {
                put_first(line, std::move(kept));
                break;
            }
        }
    }
    place_pushed();
}

void DeliveryQueue::clear() {
    counters_.dropped += waiting_;
    waiting_ = 0;
    // Not the lines: drain() may be going through them.
    for (auto& [pair, line] : starved_) {
        line = {};
    }
    pushed_ = {};
}

Delivery DeliveryQueue::try_deliver(const Frame& frame) {
    if (!deliver_) {
        return false;
    }
    struct Mark {
        bool& flag;
        explicit Mark(bool& f) : flag(f) { flag = true; }
        ~Mark() { flag = false; }
    } const mark(delivering_);
    const Delivery delivery = deliver_(frame);
    if (delivery) {
        ++counters_.frames;
        counters_.bytes += frame.bytes.size();
    }
    return delivery;
}

void DeliveryQueue::place(const Frame& frame) {
    if (const Delivery delivery = try_deliver(frame); !delivery) {
        keep(starved_[delivery.starved_pair], frame);
    }
}

void DeliveryQueue::place_pushed() {
    while (!pushed_.frames.empty()) {
        const FrameCopy kept = take_first(pushed_);
        place(kept.frame());
    }
}

void DeliveryQueue::keep(Line& line, const Frame& frame) {
    if (line.frames.size() >= limits_.frames || line.bytes + frame.bytes.size() > limits_.bytes) {
        ++counters_.dropped;
        return;
    }
    line.frames.emplace_back(frame);
    line.bytes += frame.bytes.size();
    ++waiting_;
}

FrameCopy DeliveryQueue::take_first(Line& line) {
    FrameCopy kept = std::move(line.frames.front());
    line.frames.pop_front();
    line.bytes -= kept.bytes.size();
    --waiting_;
    return kept;
}

void DeliveryQueue::put_first(Line& line, FrameCopy kept) {
    line.bytes += kept.bytes.size();
    ++waiting_;
    line.frames.push_front(std::move(kept));
}

}  // namespace skbtrail::device
