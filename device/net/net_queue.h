// What receive and transmit queues share: a virtqueue, its number, its events, its batches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "device/event_loop.h"
#include "device/net/features.h"
#include "device/net/ring_events.h"
#include "device/virtqueue/virtqueue.h"

namespace skbtrail::device {

enum class FrameDirection : std::uint8_t { from_guest, to_guest };

/// A frame as it passes between a ring and the wire.
struct TappedFrame {
    FrameDirection direction;
    std::span<const std::byte> bytes;
    unsigned queue = 0;             ///< the virtqueue
    std::span<const Chain> chains;  ///< in which it lies, in the guest's memory
};
/// Sees each frame. What it is given is good during the call only.
using FrameTap = std::function<void(const TappedFrame&)>;

/// The largest frame that the device moves: the largest IP packet, Ethernet, two VLAN tags. What
/// is longer is dropped and counted.
inline constexpr std::size_t max_frame_bytes = 65535 + 14 + 8;
/// The smallest: an Ethernet header.
inline constexpr std::size_t min_frame_bytes = 14;

/// What went through a queue, and what did not, with the reason.
struct QueueCounters {
    std::uint64_t frames = 0;
    std::uint64_t bytes = 0;              ///< of frames, without virtio-net headers
    std::uint64_t dropped_not_ready = 0;  ///< the queue was stopped, broken or disabled
    std::uint64_t dropped_size = 0;       ///< too long for the buffers or the device, or a runt
    std::uint64_t dropped_offload = 0;    ///< needs an offload that was not negotiated
    std::uint64_t refused = 0;            ///< no receive buffer; the wire may offer it again
    std::uint64_t kicks = 0;
    std::uint64_t calls = 0;
    std::uint64_t calls_suppressed = 0;
};

/// Base of both directions; not used through a pointer to it.
class NetQueue {
  public:
    NetQueue(const NetQueue&) = delete;
    NetQueue& operator=(const NetQueue&) = delete;

    Virtqueue& virtqueue() noexcept { return virtqueue_; }
    const Virtqueue& virtqueue() const noexcept { return virtqueue_; }
    unsigned index() const noexcept { return index_; }
    const QueueCounters& counters() const noexcept { return counters_; }
    void set_negotiated(Features negotiated) noexcept { negotiated_ = negotiated; }

    /// Shows the driver what was completed, decides once for all of it whether to call, and calls.
    void finish_batch();

  protected:
    NetQueue(EventLoop& loop, unsigned index, const char* role, RingEventLog* events,
             std::function<void()> on_kick);
    ~NetQueue() = default;

    /// The chain is ours now: for the events.
    void note_taken(const Chain& chain);
    /// Returns a chain. `written` is what the driver is told, `length` what the event says.
    void complete(Chain&& chain, std::uint32_t written, std::uint32_t length);
    std::size_t uncompleted_batch() const noexcept { return batch_; }
    Features negotiated() const noexcept { return negotiated_; }
    QueueCounters& count() noexcept { return counters_; }

  private:
    unsigned index_;
    RingEventLog* events_;
    Features negotiated_ = 0;
    QueueCounters counters_;
    std::size_t batch_ = 0;  ///< chains completed and not shown yet
    Virtqueue virtqueue_;
};

}  // namespace skbtrail::device
