// The last yard of a wire: frames on their way to the guest, kept in order while it has no buffers.
#pragma once

#include <cstddef>
#include <deque>
#include <vector>

#include "device/wire/wire.h"

namespace skbtrail::device {

/// A bounded first-in-first-out queue in front of Wire::Deliver. A frame goes straight through
/// when nothing waits before it; what finds the queue full is dropped and counted, the newest
/// first, as a switch port would.
class DeliveryQueue {
  public:
    struct Limits {
        std::size_t frames = 1024;
        std::size_t bytes = std::size_t{4} << 20;
    };

    DeliveryQueue() = default;
    explicit DeliveryQueue(Limits limits) : limits_(limits) {}

    void attach(Wire::Deliver deliver) { deliver_ = std::move(deliver); }
    /// Delivers `frame`, or keeps a copy of it, or drops it. May be called from inside Deliver.
    void push(const Frame& frame);
    /// Delivers `frame` now, or does nothing: false when the guest has no buffer for it, or others
    /// wait before it.
    bool offer(const Frame& frame);
    /// Tries again with the frames that wait.
    void drain();
    /// Drops the frames that wait; they are counted.
    void clear();

    /// What reached the guest, and what was dropped before it.
    const WireCounters::Direction& counters() const { return counters_; }
    std::size_t waiting() const { return waiting_.size(); }

  private:
    struct Kept {
        std::vector<std::byte> bytes;
        FrameOffload offload;
        unsigned queue_pair;
    };

    bool try_deliver(const Frame& frame);
    void keep(const Frame& frame);

    Limits limits_;
    Wire::Deliver deliver_;
    std::deque<Kept> waiting_;
    std::size_t waiting_bytes_ = 0;
    /// Set while deliver_ runs: a frame that is pushed from inside it waits its turn.
    bool delivering_ = false;
    WireCounters::Direction counters_;
};

}  // namespace skbtrail::device
