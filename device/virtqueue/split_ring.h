// The device's side of a split virtqueue (virtio 1.3, 2.7).
//
// The ring lies in memory that the guest writes to while we read it. Every field is read once,
// into a variable of our own, and checked there; nothing is decided on a second reading. What the
// device writes (used elements, indexes, suppression fields) is ordered as the specification
// asks: elements before the index (release), the index before reading the driver's wish for a
// call (full barrier), our wish for a kick before looking again for chains (full barrier).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include <tl/expected.hpp>

#include "device/memory/guest_memory.h"
#include "device/virtqueue/buffer_list.h"
#include "device/virtqueue/call_decision.h"
#include "device/virtqueue/chain.h"
#include "device/virtqueue/fault.h"
#include "device/virtqueue/inflight_area.h"
#include "device/virtqueue/kick_decision.h"
#include "device/virtqueue/layout.h"
#include "device/virtqueue/ring_features.h"
#include "device/virtqueue/ring_memory.h"
#include "device/virtqueue/split_inflight.h"

namespace skbtrail::device {

/// The functions are those of Ring, which says what they mean.
class SplitRing {
  public:
    /// Goes on at `next_available`, the index that SET_VRING_BASE gave, and at the used index that
    /// is in the guest's memory.
    static tl::expected<SplitRing, RingFault> open(std::shared_ptr<const GuestMemory> memory,
                                                   const RingAddresses& addresses,
                                                   std::uint32_t size, RingFeatures features,
                                                   std::uint16_t next_available);

    /// See Ring::track() and Ring::follow().
    tl::expected<std::size_t, RingFault> track(std::shared_ptr<const InflightArea> area,
                                               unsigned queue);
    void follow(SplitRing& before) noexcept { inflight_ = std::move(before.inflight_); }
    bool tracking_lost() const noexcept { return inflight_ && inflight_->lost(); }

    bool looks_empty() const noexcept {
        return load_field<std::uint16_t>(available_ + RingParts::available_index) ==
                   next_available_ &&
               !(inflight_ && !inflight_->left().empty());
    }
    tl::expected<std::uint16_t, RingFault> waiting();
    tl::expected<std::size_t, RingFault> take_burst(std::span<Chain> to);
    void put_back(Chain&& chain) noexcept {
        if (!inflight_ || !note_put_back(chain)) {
            --next_available_;
        }
        pool_.give(*chain.storage_);
    }
    void put_used(Chain&& chain, std::uint32_t written) noexcept {
        // Those that a batch passes over have no length of their own. Drivers that look at each
        // used length (all do that receive) do not expect it of chains that the device writes to.
        if (features_.in_order && chain.writable_bytes() == 0) {
            batch_ = Batch{batch_ ? batch_->index : next_used_, chain.head()};
        } else {
            close_batch();
            write_used(next_used_, chain.head(), written);
        }
        ++next_used_;
        if (inflight_) [[unlikely]] {
            inflight_->used(chain.head());
        }
        pool_.give(*chain.storage_);
    }
    void publish() noexcept;
    CallDecision decide_call() noexcept;
    tl::expected<bool, RingFault> ask_for_kicks();
    void refuse_kicks() noexcept;
    void watch_kicks() noexcept {
        kicks_watched_ = true;
        pass_kicks_over();
    }
    KickDecision decide_kick() noexcept;

    std::uint32_t size() const noexcept { return size_; }
    std::uint32_t base() const noexcept { return next_available_; }
    std::uint16_t next_used() const noexcept { return next_used_; }
    const GuestMemory& memory() const noexcept { return buffers_.memory(); }

  private:
    SplitRing(std::shared_ptr<const GuestMemory> memory, std::uint32_t size, RingFeatures features)
        : size_(size), features_(features), buffers_(std::move(memory), size) {}

    /// Chains that were in flight before.
    tl::expected<std::size_t, RingFault> take_again(std::span<Chain> to);
    /// Any chain of the table into `storage`.
    tl::expected<void, RingFault> read_chain(std::uint16_t head, ChainStorage& storage);
    /// Whether the chain was in flight before, so that no place goes back for it.
    bool note_put_back(const Chain& chain) noexcept;
    /// A chain of one plain buffer. False: it is another, and nothing was done.
    bool walk_single(std::uint16_t head, ChainStorage& chain) noexcept;
    tl::expected<void, RingFault> walk(std::uint16_t head, ChainStorage& chain);
    tl::expected<void, RingFault> walk_table(const RingDescriptor& table, ChainStorage& chain);
    /// What the driver has made available so far is in no decision about kicks.
    void pass_kicks_over() noexcept {
        decided_available_ = load_field<std::uint16_t>(available_ + RingParts::available_index);
    }
    const std::byte* descriptor_at(std::uint16_t index) const noexcept {
        return descriptors_ + std::size_t{16} * index;
    }
    std::byte* used_element(std::uint16_t index) const noexcept {
        return used_ + RingParts::used_ring + RingParts::used_element_bytes * (index & (size_ - 1));
    }
    void write_used(std::uint16_t index, std::uint16_t head, std::uint32_t written) noexcept {
        std::byte* const element = used_element(index);
        store_field<std::uint32_t>(element, head);
        store_field<std::uint32_t>(element + 4, written);
    }
    void close_batch() noexcept {
        if (batch_) {
            write_used(batch_->index, batch_->head, 0);
            batch_.reset();
        }
    }

    std::uint32_t size_;
    RingFeatures features_;
    // Guest-controlled memory: read through load_field(), never twice.
    std::byte* descriptors_ = nullptr;
    std::byte* available_ = nullptr;
    std::byte* used_ = nullptr;

    std::uint16_t next_available_ = 0;
    std::uint16_t seen_available_ = 0;  ///< the driver's index when we last read it
    std::uint16_t next_used_ = 0;
    std::uint16_t decided_used_ = 0;  ///< used index at the last decide_call()
    bool decided_once_ = false;
    bool kicks_refused_ = false;
    bool kicks_watched_ = false;
    std::uint16_t kick_event_ = 0;         ///< avail_event
    std::uint16_t decided_available_ = 0;  ///< available index at the last decide_kick()
    /// With IN_ORDER, chains that are returned together: one element, where that of the first
    /// would be, names the last (2.7.9).
    struct Batch {
        std::uint16_t index;
        std::uint16_t head;
    };
    std::optional<Batch> batch_;
    BufferList buffers_;
    ChainPool pool_;
    std::unique_ptr<SplitInflight> inflight_;  ///< nullptr: nobody wants to know
};

}  // namespace skbtrail::device
