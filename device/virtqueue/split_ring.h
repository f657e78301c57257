// The device's side of a split virtqueue (virtio 1.3, 2.7).
//
// The ring lies in memory that the guest writes to while we read it. Every field is read once,
// into a variable of our own, and checked there; nothing is decided on a second reading. What the
// device writes (used elements, indexes, suppression fields) is ordered as the specification
// asks: elements before the index (release), the index before reading the driver's wish for a
// call (full barrier), our wish for a kick before looking again for chains (full barrier).
//
// The one loop that everybody needs:
//
//     while (auto chain = ring.take().value()) {           // value(): handle the fault instead
//         const std::uint32_t written = use(*chain);
//         ring.put_used(std::move(*chain), written);
//     }
//     ring.publish();
//     if (ring.decide_call().wanted) { signal the driver }
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <tl/expected.hpp>

#include "device/memory/guest_memory.h"
#include "device/virtqueue/chain.h"
#include "device/virtqueue/fault.h"
#include "device/virtqueue/layout.h"

namespace skbtrail::device {

/// Where the front end says that the parts of a ring are (SET_VRING_ADDR).
struct RingAddresses {
    UserAddress descriptors;
    UserAddress available;
    UserAddress used;
    auto operator<=>(const RingAddresses&) const = default;
};

/// Which of the negotiated features change the ring's format.
struct RingFeatures {
    bool indirect = false;   ///< VIRTIO_F_INDIRECT_DESC
    bool event_idx = false;  ///< VIRTIO_F_EVENT_IDX
};

class SplitRing {
  public:
    /// The most buffers that a chain may have when it uses an indirect table. The specification's
    /// bound is the ring's size, which drivers exceed with indirect tables; this is the bound
    /// that other devices set (IOV_MAX).
    static constexpr std::size_t max_chain_descriptors = 1024;

    /// Finds the ring in `memory`, and goes on at `next_available`, the index that SET_VRING_BASE
    /// gave, and at the used index that is in the guest's memory.
    static tl::expected<SplitRing, RingFault> open(std::shared_ptr<const GuestMemory> memory,
                                                   const RingAddresses& addresses,
                                                   std::uint32_t size, RingFeatures features,
                                                   std::uint16_t next_available);

    /// How many chains the driver has made available and we have not taken.
    tl::expected<std::uint16_t, RingFault> waiting();

    /// Takes the next chain; none when there is none. After a fault the ring is broken: nothing
    /// more may be done with it but to drop it.
    tl::expected<std::optional<Chain>, RingFault> take();
    /// Undoes take(). Chains must come back in the reverse order of being taken.
    void put_back(Chain&& chain);
    /// Returns a chain to the driver, with `written` bytes in its writable part. The driver sees
    /// it after publish().
    void put_used(Chain&& chain, std::uint32_t written);
    /// Shows the driver what was put: one release store for a whole batch.
    void publish();

    /// Whether the driver wants to be called about what was published since the last decision,
    /// and why (not).
    struct CallDecision {
        bool wanted = false;
        bool pending = false;      ///< whether anything was published since the last decision
        bool by_event = false;     ///< decided by used_event, not by the flag
        bool first = false;        ///< the first since the ring was opened: always wanted
        std::uint16_t before = 0;  ///< used index at the last decision
        std::uint16_t now = 0;     ///< used index
        std::uint16_t event = 0;   ///< used_event as the driver set it
    };
    CallDecision decide_call();

    /// Asks the driver to kick when it makes another chain available than those that we have
    /// seen. Returns whether some came in before it could know: the caller must not sleep on
    /// those.
    tl::expected<bool, RingFault> ask_for_kicks();
    /// Tells the driver that kicks are not needed. It may kick all the same.
    void refuse_kicks();

    std::uint32_t size() const noexcept { return size_; }
    std::uint16_t next_available() const noexcept { return next_available_; }
    /// Used index including what is put and not yet published.
    std::uint16_t next_used() const noexcept { return next_used_; }
    const GuestMemory& memory() const noexcept { return *memory_; }

  private:
    SplitRing(std::shared_ptr<const GuestMemory> memory, std::uint32_t size, RingFeatures features)
        : memory_(std::move(memory)), size_(size), features_(features) {}

    tl::expected<void, RingFault> walk(std::uint16_t head, Chain::Storage& chain) const;
    tl::expected<void, RingFault> walk_indirect(const RingDescriptor& table,
                                                Chain::Storage& chain) const;
    tl::expected<void, RingFault> append(const RingDescriptor& descriptor,
                                         Chain::Storage& chain) const;
    Chain::Storage fresh_storage();
    void recycle(Chain&& chain);

    std::shared_ptr<const GuestMemory> memory_;
    std::uint32_t size_;
    RingFeatures features_;
    // Guest-controlled memory: read through load(), never twice.
    std::byte* descriptors_ = nullptr;
    std::byte* available_ = nullptr;
    std::byte* used_ = nullptr;

    std::uint16_t next_available_ = 0;
    std::uint16_t seen_available_ = 0;  ///< the driver's index when we last read it
    std::uint16_t next_used_ = 0;
    std::uint16_t decided_used_ = 0;  ///< used index at the last decide_call()
    bool decided_once_ = false;
    std::vector<Chain::Storage> spare_;
};

}  // namespace skbtrail::device
