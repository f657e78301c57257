// What receive and transmit queues share: a virtqueue, its number, its events, its batches.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "device/event_loop.h"
#include "device/net/busy_poll.h"
#include "device/net/features.h"
#include "device/net/queue_gate.h"
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
    std::uint64_t dropped_link_down = 0;
    std::uint64_t dropped_size = 0;     ///< too long for the buffers or the device, or a runt
    std::uint64_t dropped_offload = 0;  ///< needs an offload that was not negotiated
    std::uint64_t refused = 0;          ///< no receive buffer; the wire may offer it again
    std::uint64_t kicks = 0;
    std::uint64_t calls = 0;
    std::uint64_t calls_suppressed = 0;
    std::uint64_t calls_withheld = 0;  ///< wanted, and lost or put off by a gate
    std::uint64_t calls_late = 0;      ///< signalled after having been put off, or once too often
};

/// How many of each size: bucket n counts sizes above 2^(n-1), up to 2^n; the last, all larger
/// ones.
class SizeHistogram {
  public:
    static constexpr std::size_t buckets = 12;

    void add(std::size_t size) noexcept {
        ++counts_[std::min<std::size_t>(std::bit_width(size - (size > 0 ? 1 : 0)), buckets - 1)];
        sum_ += size;
    }
    const std::array<std::uint64_t, buckets>& counts() const noexcept { return counts_; }
    /// Of all sizes.
    std::uint64_t sum() const noexcept { return sum_; }

  private:
    std::array<std::uint64_t, buckets> counts_{};
    std::uint64_t sum_ = 0;
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
    /// Descriptors in the chains taken, and chains in the batches shown to the driver.
    const SizeHistogram& chain_sizes() const noexcept { return chain_sizes_; }
    const SizeHistogram& batch_sizes() const noexcept { return batch_sizes_; }
    void reset_counters() noexcept;
    void set_negotiated(Features negotiated) noexcept { negotiated_ = negotiated; }
    /// Looks at the ring all the time, whatever the rate, and never asks for kicks.
    void set_always_poll(bool always) noexcept {
        always_poll_ = always;
        busy_.set_always(always);
    }

    /// Without a link frames are dropped: what the guest sends is used up, and it gets nothing.
    void set_link(bool up) noexcept { link_up_ = up; }

    /// Who has a say from now on; nullptr: nobody, and what was withheld is returned. It must
    /// outlive the queue, or be taken away.
    void set_gate(QueueGate* gate);
    /// Looks at the ring again, after a gate held the queue.
    void poke();
    /// A call that a gate put off, or makes once too often.
    void call_late();

    /// Gives the ring back what was taken and not used, shows the driver what was completed,
    /// decides once for all of it whether to call, and calls. Before a ring is stopped or moved,
    /// and when there is nothing more to do for now.
    void finish_batch() {
        give_back();
        show_batch();
    }
    /// Before its memory changes: returns what is withheld, in order, and finishes.
    void settle();
    /// Before the queue stops: settles, and tells the gate.
    void retire();

  protected:
    /// So often in a row a ring may say that there is more and then have nothing: a driver that
    /// shows chains and hides them again is looked at in turn with the others.
    static constexpr int most_looks = 4;

    /// `on_kick`: the ring may have something new. `look`: it may have, without a kick; returns
    /// whether it had. Called over and over while poll() is awake.
    NetQueue(EventLoop& loop, unsigned index, const char* role, RingEventLog* events,
             std::function<void()> on_kick, EventLoop::PollCallback look);
    ~NetQueue() = default;

    /// Puts back the chains that were taken ahead. There may be no ring any more.
    virtual void give_back() noexcept {}
    void show_batch() {
        if (gate_ != nullptr) [[unlikely]] {
            release_withheld();
        }
        if (batch_ > 0) {
            show_completed();
        }
    }

    /// Takes as Ring::take_burst() does, from the ring that there is.
    tl::expected<std::size_t, RingFault> take(std::span<Chain> to) {
        auto taken = virtqueue_.ring()->take_burst(to);
        if (events_ != nullptr && taken) [[unlikely]] {
            note_kick_suppressed();
        }
        return taken;
    }
    /// The chain is ours now: for the events.
    void note_taken(const Chain& chain) {
        chain_sizes_.add(chain.descriptors().size());
        if (events_ != nullptr) [[unlikely]] {
            events_->available(index_, chain);
        }
    }
    /// Returns a chain. `written` is what the driver is told, `length` what the event says.
    void complete(Chain&& chain, std::uint32_t written, std::uint32_t length) {
        if (gate_ != nullptr) [[unlikely]] {
            complete_gated(std::move(chain), written, length);
        } else {
            put(std::move(chain), written, length);
        }
    }
    bool link_up() const noexcept { return link_up_; }
    /// nullptr: nobody has a say.
    QueueGate* gate() const noexcept { return gate_; }
    std::size_t uncompleted_batch() const noexcept { return batch_; }
    Features negotiated() const noexcept { return negotiated_; }
    QueueCounters& count() noexcept { return counters_; }
    BusyPoll& busy() noexcept { return busy_; }
    EventLoop::Poll& poll() noexcept { return poll_; }

  private:
    /// A chain that is done with and that the gate keeps from the driver.
    struct Withheld {
        Chain chain;
        std::uint32_t written;
        std::uint32_t length;
    };

    void put(Chain&& chain, std::uint32_t written, std::uint32_t length) {
        Ring& ring = *virtqueue_.ring();
        if (events_ != nullptr) [[unlikely]] {
            events_->used(index_, ring.next_used(), chain.head(), length);
        }
        if (virtqueue_.log() != nullptr) [[unlikely]] {
            mark_written(chain, written);
        }
        ring.put_used(std::move(chain), written);
        ++batch_;
    }
    void note_kick_suppressed();
    /// Marks in the log the first `written` bytes of a chain's device-writable part.
    void mark_written(const Chain& chain, std::uint32_t written);
    void complete_gated(Chain&& chain, std::uint32_t written, std::uint32_t length);
    void show_completed();
    void release_withheld();
    void return_withheld();
    /// Whether the driver was called; `again`: it is to be called once more.
    bool gated_call(bool wanted, bool& again);

    unsigned index_;
    RingEventLog* events_;
    QueueGate* gate_ = nullptr;
    bool link_up_ = true;
    bool always_poll_ = false;
    std::function<void()> wake_;
    EventLoop::Poll poll_;
    Features negotiated_ = 0;
    QueueCounters counters_;
    SizeHistogram chain_sizes_;
    SizeHistogram batch_sizes_;
    std::size_t batch_ = 0;  ///< chains completed and not shown yet
    std::vector<Withheld> withheld_;
    std::vector<std::size_t> releases_;  ///< for one release_withheld(); kept for its capacity
    BusyPoll busy_;
    Virtqueue virtqueue_;
};

}  // namespace skbtrail::device
