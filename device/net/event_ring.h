// Ring events on their way from the event loop to the thread that writes them.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "device/net/ring_event.h"

namespace skbtrail::device {

/// A bounded queue of events with one producer and one consumer, without locks.
///
/// An event takes a slot of a cache line, with room for two descriptors; further ones follow in
/// slots of four. The memory is allocated once, and the kernel gives it when it is first written.
class EventRing {
  public:
    static constexpr std::size_t inline_descriptors = 2;
    static constexpr std::size_t descriptors_per_slot = 4;

    union Slot {
        Slot() : first{} {}
        struct {
            RingEvent event;
            std::array<RingEventDescriptor, inline_descriptors> descriptors;
        } first;
        std::array<RingEventDescriptor, descriptors_per_slot> more;
    };
    static_assert(sizeof(Slot) == 64);

    /// `slots`: a power of two.
    explicit EventRing(std::size_t slots) : mask_(slots - 1), slots_(new Slot[slots]) {}

    /// Slots that an event with so many descriptors takes.
    static constexpr std::size_t slots_for(std::size_t descriptors) noexcept {
        return descriptors <= inline_descriptors
                   ? 1
                   : 1 + (descriptors - inline_descriptors + descriptors_per_slot - 1) /
                             descriptors_per_slot;
    }

    // The producer's.

    std::size_t capacity() const noexcept { return mask_ + 1; }
    /// Whether `count` slots are free.
    bool has_room(std::size_t count) noexcept {
        if (head_ + count - known_tail_ <= mask_ + 1) {
            return true;
        }
        // Acquire: the consumer is done with reading what we will overwrite.
        known_tail_ = tail_.load(std::memory_order_acquire);
        return head_ + count - known_tail_ <= mask_ + 1;
    }
    /// The n-th slot behind what was committed; there must be room.
    Slot& fresh(std::size_t n) noexcept { return slots_[(head_ + n) & mask_]; }
    /// The consumer may read so many slots more.
    void commit(std::size_t count) noexcept {
        head_ += count;
        published_head_.store(head_, std::memory_order_release);
    }
    /// Slots that were ever committed.
    std::uint64_t committed() const noexcept { return head_; }

    // The consumer's.

    /// Slots to read. Whole events: a producer commits no part of one.
    std::size_t filled() const noexcept {
        return published_head_.load(std::memory_order_acquire) -
               tail_.load(std::memory_order_relaxed);
    }
    /// The n-th of them.
    const Slot& oldest(std::size_t n) const noexcept {
        return slots_[(tail_.load(std::memory_order_relaxed) + n) & mask_];
    }
    void release(std::size_t count) noexcept {
        tail_.store(tail_.load(std::memory_order_relaxed) + count, std::memory_order_release);
    }
    /// Slots that were ever released. For any thread.
    std::uint64_t released() const noexcept { return tail_.load(std::memory_order_acquire); }

  private:
    std::size_t mask_;
    std::unique_ptr<Slot[]> slots_;
    // Each side's own words on cache lines of their own.
    alignas(64) std::uint64_t head_ = 0;
    std::uint64_t known_tail_ = 0;
    alignas(64) std::atomic<std::uint64_t> published_head_ = 0;
    alignas(64) std::atomic<std::uint64_t> tail_ = 0;
};

}  // namespace skbtrail::device
