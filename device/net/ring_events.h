// What the NIC sees and does at its rings, as JSON lines: the ring events of a recording.
//
// One object a line, in the order of things:
//   {"sequence":1,"time":ns,"queue":1,"event":"available","index":5,"head":3,"length":110,
//    "descriptors":[{"address":"0x7f00","length":110,"device_writable":false}]}
// A descriptor with VIRTQ_DESC_F_NEXT has "next":true. Buffers that stand in an indirect table are
// followed by "indirect_table":{"address":"0x8000","length":32,"entries":2}: the descriptor of the
// ring, with VIRTQ_DESC_F_INDIRECT, and how many of the buffers, the last ones, are its entries.
// `event` is one of
//   available        the NIC took a chain: index in the available ring, head, its buffers
//   used             it returned one: index in the used ring, head; length is what it wrote to the
//                    chain (receive) or read from it (transmit)
//   kick             the driver woke the NIC
//   kick_suppressed  chains came in for which the driver need not kick, as the NIC had asked, and
//                    why; index is the available index, as far as the NIC saw
//   call             the NIC woke the driver: index is the used index, reason the rule
//   call_suppressed  it did not have to, and why
//   lost             only where some are missing: length is how many
// `time` is CLOCK_MONOTONIC in ns; the events of one batch have the time of its first. Members that
// do not apply are absent.
//
// Two threads share the work. The event loop's writes each event as a few words into a bounded
// ring, and drops it when the ring is full: the wire never waits for a reader. Then it drops a
// whole stretch, until much of the ring is free again: to look in vain is what would cost the wire
// most, and whole stretches tell a reader more than single events do. The log's own thread takes
// them out, makes lines of them and writes these. Every event has its number, dropped or not, so a
// gap in `sequence` is a loss; a "lost" line at the end (and after each gap that a socket's reader
// had) says how many, and so does the NIC's log.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>

#include <fmt/format.h>

#include "device/net/event_ring.h"
#include "device/net/event_sink.h"
#include "device/unique_fd.h"
#include "device/virtqueue/call_decision.h"
#include "device/virtqueue/chain.h"
#include "device/virtqueue/kick_decision.h"

namespace skbtrail::device {

/// The event loop's end of the log; its functions are called from that one thread.
class RingEventLog {
  public:
    /// Slots of 64 bytes between the two threads: 4 MiB, or a hundredth of a second at five million
    /// frames a second.
    static constexpr std::size_t default_slots = std::size_t{1} << 16;

    /// Starts the thread that writes to `sink`. `slots`: a power of two. `in_thread` is called
    /// first thing there, to give up what is a thread's own.
    explicit RingEventLog(std::unique_ptr<EventSink> sink, std::size_t slots = default_slots,
                          std::function<void()> in_thread = {});
    /// Writes what there is, says what is missing, ends the thread. A reader that does not read is
    /// waited for no longer than a second.
    ~RingEventLog();
    RingEventLog(const RingEventLog&) = delete;
    RingEventLog& operator=(const RingEventLog&) = delete;

    void available(unsigned queue, const Chain& chain) {
        if (!skip()) record_available(queue, chain);
    }
    void used(unsigned queue, std::uint16_t index, std::uint16_t head, std::uint32_t length) {
        if (!skip()) record_used(queue, index, head, length);
    }
    void kick(unsigned queue);
    /// `decision`: pending, and not wanted.
    void kick_suppressed(unsigned queue, const KickDecision& decision);
    /// `delivered`: whether there was somebody to wake.
    /// `gated`: a gate has had a say in it.
    void call(unsigned queue, const CallDecision& decision, bool delivered, bool gated = false);
    /// A call that was put off before, or is one too many.
    void late_call(unsigned queue, std::uint16_t used_index);

    /// Lets the writer know that there is something to write. For when the loop is idle; a busy
    /// loop wakes the writer by itself.
    void flush();
    /// Waits until everything so far is written or lost. For tests and the end.
    bool sync(int longest_ms);

    /// Events so far, and those of them that are not (with some reader of a socket) where they
    /// should be.
    std::uint64_t events() const noexcept { return sequence_; }
    std::uint64_t lost() const noexcept {
        return dropped_.load(std::memory_order_relaxed) +
               unwritten_.load(std::memory_order_relaxed);
    }

  private:
    /// Numbers the event. True when it is one of a stretch that is dropped as a whole.
    bool skip() noexcept {
        ++sequence_;
        if (to_skip_ == 0) {
            return false;
        }
        --to_skip_;
        count_dropped();
        return true;
    }
    void count_dropped() noexcept {
        dropped_.store(dropped_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }
    void record_available(unsigned queue, const Chain& chain);
    void record_used(unsigned queue, std::uint16_t index, std::uint16_t head, std::uint32_t length);
    /// The n-th descriptor of an event that was begun with more than n.
    RingEventDescriptor& descriptor_of(EventRing::Slot& slot, std::size_t n) noexcept;
    bool make_room(std::size_t slots);
    /// A slot for a numbered event with so many descriptors; nullptr when it is dropped, or nobody
    /// wants it.
    EventRing::Slot* begin(RingEventKind kind, unsigned queue, std::size_t descriptors);
    void end(std::size_t descriptors);
    void write_all();
    void format_and_write(std::size_t slots);
    void say_what_is_lost();
    /// Until there is something to do.
    void sleep();
    /// What the sink waits for, and our own wake-up.
    void look(int timeout_ms);

    std::unique_ptr<EventSink> sink_;
    EventRing ring_;
    UniqueFd wake_;
    UniqueFd end_;

    // The event loop's.
    std::uint64_t sequence_ = 0;
    std::uint64_t to_skip_ = 0;       ///< so many more events before the ring is looked at again
    bool full_ = false;               ///< it was, and much of it has to be free before it is used
    std::int64_t batch_time_ = 0;     ///< 0: the next event reads the clock
    std::uint64_t looked_after_ = 0;  ///< slots committed when the writer was last woken

    // Both threads'.
    std::atomic<std::uint64_t> dropped_ = 0;    ///< found the ring full
    std::atomic<std::uint64_t> unwritten_ = 0;  ///< the sink did not get rid of
    std::atomic<bool> wanted_;
    std::atomic<bool> asleep_ = false;
    std::atomic<bool> ending_ = false;
    std::atomic<std::uint64_t> written_ = 0;  ///< slots that went through the sink

    // The writer's.
    fmt::memory_buffer lines_;
    std::uint64_t last_sequence_ = 0;
    std::function<void()> in_thread_;
    std::thread writer_;
};

}  // namespace skbtrail::device
