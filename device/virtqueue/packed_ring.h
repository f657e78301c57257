// The device's side of a packed virtqueue (virtio 1.3, 2.8).
//
// One ring of descriptors, which the driver offers and the device overwrites where it stands, in
// the order of using them. Whose a descriptor is, two of its flags say, against a wrap counter
// that changes with each lap. As in SplitRing each field is read once and judged by that reading.
// A used descriptor is one 8-byte store; those of a batch are stored together, the first of them
// last, with release, and the driver, which waits for just that one, sees all or nothing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include <tl/expected.hpp>

#include "device/memory/guest_memory.h"
#include "device/virtqueue/buffer_list.h"
#include "device/virtqueue/call_decision.h"
#include "device/virtqueue/chain.h"
#include "device/virtqueue/fault.h"
#include "device/virtqueue/inflight_area.h"
#include "device/virtqueue/kick_decision.h"
#include "device/virtqueue/packed_inflight.h"
#include "device/virtqueue/packed_layout.h"
#include "device/virtqueue/ring_features.h"
#include "device/virtqueue/ring_memory.h"

namespace skbtrail::device {

/// The functions are those of Ring, which says what they mean.
class PackedRing {
  public:
    /// Both places at the start of a ring, as SET_VRING_BASE gives them.
    static constexpr std::uint32_t initial_base = 0x80008000;

    /// Goes on at `base`: the place of the next descriptor to take in the low half, that of the
    /// next used in the high half (vhost-user, SET_VRING_BASE). A high half of 0 is what front
    /// ends send that know nothing about it: both are the same then. A base of 0 is the start of
    /// the second lap, and also what front ends send that know nothing of wrap counters (UML) when
    /// a ring is new; a ring that looks as no ring can that has been used is new.
    static tl::expected<PackedRing, RingFault> open(std::shared_ptr<const GuestMemory> memory,
                                                    const RingAddresses& addresses,
                                                    std::uint32_t size, RingFeatures features,
                                                    std::uint32_t base);

    /// See Ring::track() and Ring::follow().
    tl::expected<std::size_t, RingFault> track(std::shared_ptr<const InflightArea> area,
                                               unsigned queue);
    void follow(PackedRing& before) noexcept {
        inflight_ = std::move(before.inflight_);
        if (inflight_) {
            inflight_->ring_moved(descriptors_);
        }
    }
    bool tracking_lost() const noexcept { return inflight_ && inflight_->lost(); }

    bool looks_empty() const noexcept {
        if (inflight_ && !inflight_->left().empty()) [[unlikely]] {
            return false;
        }
        const auto flags =
            load_field<std::uint16_t>(descriptor_at(next_.index) + PackedParts::flags);
        return !packed_is_available(flags, next_.wrap);
    }
    tl::expected<std::uint16_t, RingFault> waiting();
    tl::expected<std::size_t, RingFault> take_burst(std::span<Chain> to);
    void put_back(Chain&& chain) noexcept {
        if (!inflight_ || !note_put_back(chain)) {
            next_.retreat(chain.places_, size_);
            outstanding_ -= chain.places_;
            seen_ahead_ += chain.places_;
        }
        pool_.give(*chain.storage_);
    }
    void put_used(Chain&& chain, std::uint32_t written) noexcept;
    void publish() noexcept;
    CallDecision decide_call() noexcept;
    tl::expected<bool, RingFault> ask_for_kicks() noexcept;
    void refuse_kicks() noexcept;
    void watch_kicks() noexcept {
        kicks_watched_ = true;
        decided_available_ = offered_until();
    }
    KickDecision decide_kick() noexcept;

    std::uint32_t size() const noexcept { return size_; }
    std::uint32_t base() const noexcept {
        return next_.encode() | std::uint32_t{next_used_.encode()} << 16;
    }
    std::uint16_t next_used() const noexcept { return next_used_.encode(); }
    const GuestMemory& memory() const noexcept { return buffers_.memory(); }

  private:
    PackedRing(std::shared_ptr<const GuestMemory> memory, std::uint32_t size, RingFeatures features)
        : size_(size), features_(features), buffers_(std::move(memory), size) {}

    /// Has the cache fetch as many descriptors as the last burst had, from next_ on, if that one
    /// found all it wanted. Where it found less the driver is close ahead and writes to them next:
    /// they would be taken away from it.
    void prefetch_descriptors() const noexcept;
    /// A chain of one plain buffer. False: it is another, and nothing was done.
    bool walk_single(std::uint16_t flags, ChainStorage& chain, std::uint16_t& id) noexcept;
    /// Whether no descriptor was ever used: offered ones, in their first lap, and after them
    /// nothing but zeros. After a lap there is a used one, or what it was offered again as.
    bool is_untouched() const noexcept;
    /// Chains that were in flight before.
    tl::expected<std::size_t, RingFault> take_again(std::span<Chain> to);
    /// Whether the chain was in flight before, so that no places go back for it.
    bool note_put_back(const Chain& chain) noexcept;
    /// Adds what one descriptor of the ring says, or said, to a chain. Returns whether the chain
    /// goes on after it.
    tl::expected<bool, RingFault> append(const PackedDescriptor& descriptor, unsigned place,
                                         ChainStorage& chain);
    /// Reads the chain at next_, whose first descriptor has these flags. Into `id` its buffer ID;
    /// returns how many descriptors of the ring it has.
    tl::expected<std::uint16_t, RingFault> walk(std::uint16_t first_flags, ChainStorage& chain,
                                                std::uint16_t& id);
    tl::expected<void, RingFault> walk_table(const PackedDescriptor& table, ChainStorage& chain);
    std::byte* descriptor_at(std::uint16_t index) const noexcept {
        return descriptors_ + std::size_t{16} * index;
    }
    /// The first place that the driver has not made available, looked for behind those that are
    /// known to be, from next_ or decided_available_ on.
    PackedPlace offered_until() const noexcept;
    /// Has a descriptor that is used wait to be stored, from its length on.
    void put_used_descriptor(PackedPlace at, std::uint64_t tail) noexcept {
        if (used_count_ == used_.size()) [[unlikely]] {
            store_used();
        }
        used_[used_count_++] = {descriptor_at(at.index) + PackedParts::length, tail};
    }
    /// All that wait but the first, which publish() stores.
    void store_used() noexcept;
    void close_batch() noexcept;

    std::uint32_t size_;
    RingFeatures features_;
    // Guest-controlled memory: read through load_field(), never twice.
    std::byte* descriptors_ = nullptr;
    std::byte* driver_event_ = nullptr;
    std::byte* device_event_ = nullptr;

    PackedPlace next_;               ///< of the next chain to take
    PackedPlace next_used_;          ///< of the next used descriptor
    std::uint32_t outstanding_ = 0;  ///< places between the two
    std::uint32_t seen_ahead_ = 0;   ///< places from next_ on that were taken once and put back
    std::size_t likely_ = 0;         ///< chains of the last burst, if it found all it wanted
    PackedPlace decided_used_;       ///< next_used_ at the last decide_call()
    std::uint32_t undecided_ = 0;    ///< places used since
    bool decided_once_ = false;
    bool kicks_refused_ = false;
    bool kicks_watched_ = false;
    std::optional<PackedPlace> kick_event_;  ///< what the device's event asks for, if a place
    PackedPlace decided_available_;          ///< offered_until() at the last decide_kick()

    /// A used descriptor that is not stored yet.
    struct Used {
        std::byte* at;
        std::uint64_t tail;
    };
    /// Those since publish(), or the first of them and the last ones. Stored together, one behind
    /// the other: the driver, which looks at the first all the time, has the cache take that line
    /// and its neighbours away between two stores that are further apart, and each comes back only
    /// after a journey between two processors.
    std::array<Used, max_burst> used_;
    std::size_t used_count_ = 0;
    /// With IN_ORDER, chains that are returned together, by the descriptor of the last of them at
    /// the place of the first (2.8.9).
    struct Batch {
        PackedPlace at;
        std::uint64_t tail;
    };
    std::optional<Batch> batch_;

    BufferList buffers_;
    ChainPool pool_;
    std::unique_ptr<PackedInflight> inflight_;  ///< nullptr: nobody wants to know
};

}  // namespace skbtrail::device
