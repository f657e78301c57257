// The last yard of a wire: frames on their way to the guest, kept in order while it has no buffers.
#pragma once

#include <cstddef>
#include <deque>
#include <map>

#include "device/wire/frame_copy.h"
#include "device/wire/wire.h"

namespace skbtrail::device {

/// Bounded first-in-first-out queues in front of Wire::Deliver, one for each queue pair that has no
/// buffers: a pair whose processor is slow holds up no other. A frame goes straight through when
/// nothing waits before it; what finds its queue full is dropped and counted, the newest first, as
/// a switch port would.
class DeliveryQueue {
  public:
    /// Of each pair's queue.
    struct Limits {
        std::size_t frames = 1024;
        std::size_t bytes = std::size_t{4} << 20;
    };

    DeliveryQueue() = default;
    explicit DeliveryQueue(Limits limits) : limits_(limits) {}

    void attach(Wire::Deliver deliver) { deliver_ = std::move(deliver); }
    /// Delivers `frame`, or keeps a copy of it, or drops it. May be called from inside Deliver.
    void push(const Frame& frame);
    /// Delivers `frame` now, or does nothing: not taken when the guest has no buffer for it, or is
    /// just being given another. Overtakes no frame that waits here: the pair that one waits for
    /// takes none before drain().
    Delivery offer(const Frame& frame);
    /// Tries again with the frames that wait.
    void drain();
    /// Drops the frames that wait; they are counted.
    void clear();

    /// What reached the guest, and what was dropped before it.
    const WireCounters::Direction& counters() const { return counters_; }
    std::size_t waiting() const { return waiting_; }

  private:
    /// Frames in the order in which they came.
    struct Line {
        std::deque<FrameCopy> frames;
        std::size_t bytes = 0;
    };

    Delivery try_deliver(const Frame& frame);
    /// Delivers `frame`, or keeps it for the pair that has no buffer.
    void place(const Frame& frame);
    /// What was pushed from inside Deliver.
    void place_pushed();
    void keep(Line& line, const Frame& frame);
    FrameCopy take_first(Line& line);
    void put_first(Line& line, FrameCopy kept);

    Limits limits_;
    Wire::Deliver deliver_;
    std::map<unsigned, Line> starved_;  ///< by queue pair
    Line pushed_;                       ///< from inside Deliver: waits its turn
    std::size_t waiting_ = 0;           ///< in all of them
    /// Set while deliver_ runs.
    bool delivering_ = false;
    WireCounters::Direction counters_;
};

}  // namespace skbtrail::device
