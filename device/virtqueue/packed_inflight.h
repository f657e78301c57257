// The chains of a packed ring that are in flight, as they are noted for the device that comes after
// a killed one (vhost-user, "Inflight I/O tracking").
//
// A packed ring forgets: the place of a chain's descriptor may be overwritten, with one that is
// used, while the chain is out. So the descriptors themselves are kept, in entries that form
// linked lists: one for each chain, and one of the free entries. As with SplitInflight, every store
// is one of the specification's steps. Entries of chains that are returned become free when the
// driver can see that, not before: until then they are needed to undo it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <tl/expected.hpp>

#include "device/virtqueue/fault.h"
#include "device/virtqueue/inflight_area.h"
#include "device/virtqueue/inflight_layout.h"
#include "device/virtqueue/packed_layout.h"

namespace skbtrail::device {

class PackedInflight {
  public:
    /// A chain that was in flight when the last device was killed.
    struct Left {
        std::uint16_t entry;  ///< its first
        std::vector<PackedDescriptor> descriptors;
    };

    /// What is noted of queue `queue` of the area, for the ring of `ring_size` descriptors at
    /// `ring`. If it was not in use it is begun, for a ring that is at `next_used`; else what the
    /// last device was killed in the middle of is finished if the driver has seen it, or undone,
    /// in the ring too. A fault when it cannot be about this ring.
    static tl::expected<PackedInflight, RingFault> open(std::shared_ptr<const InflightArea> area,
                                                        unsigned queue, std::byte* ring,
                                                        std::uint32_t ring_size,
                                                        PackedPlace next_used);

    /// Whether the part was in use: the ring's places are what next_used() and left() say.
    bool resumed() const noexcept { return resumed_; }
    PackedPlace next_used() const noexcept { return next_used_; }
    /// Chains to take again, first taken first.
    std::span<const Left> left() const noexcept { return std::span(left_).subspan(taken_again_); }
    /// Descriptors in them.
    std::uint32_t places_left() const noexcept;

    /// The next of them was taken again; the last of those taken was given back unused.
    void take_again() noexcept { ++taken_again_; }
    void put_back_again() noexcept { --taken_again_; }

    /// Whether a chain of so many descriptors can be noted. Always, with an honest driver.
    bool has_room(std::uint16_t places) const noexcept { return places <= free_; }
    /// A chain of so many descriptors, from this place on, is taken; there is room. Returns its
    /// first entry, its name here.
    std::uint16_t taken(PackedPlace first, std::uint16_t places) noexcept;
    void put_back(std::uint16_t entry) noexcept;
    /// A chain is returned, with the next publication.
    void used(std::uint16_t entry) { batch_.push_back(entry); }
    /// The driver is about to see that the batch is used, and the ring to stand at `next_used` …
    void publishing(PackedPlace next_used) noexcept;
    /// … and sees it.
    void published() noexcept;

    /// The same ring, in other memory.
    void ring_moved(std::byte* ring) noexcept { ring_ = ring; }
    bool lost() const noexcept { return area_->lost(); }

  private:
    using Header = PackedInflightHeader;
    using Entry = PackedInflightEntry;

    /// The lists, as we know them: what the front end makes of its copy does not lead us astray.
    struct Link {
        std::uint16_t next = 0;
        std::uint16_t last = 0;
        std::uint16_t count = 0;
    };
    /// A copy of the part, to look at.
    struct Snapshot;

    PackedInflight(std::shared_ptr<const InflightArea> area, std::byte* at, std::byte* ring,
                   std::uint32_t ring_size);

    std::byte* entry(std::uint16_t index) const noexcept {
        return at_ + sizeof(Header) + sizeof(Entry) * index;
    }
    void begin(PackedPlace next_used) noexcept;
    tl::expected<void, RingFault> resume();
    /// Decides between the two states of a part that was being changed.
    tl::expected<void, RingFault> finish_or_undo(Header& header) const;
    tl::expected<std::vector<bool>, RingFault> walk_free_list(const Snapshot& snapshot);
    tl::expected<void, RingFault> collect(const Snapshot& snapshot, std::vector<bool>& known);
    /// Places of chains that are left may say that they are used, which the driver has not seen.
    void offer_again() const noexcept;
    std::byte* flags_at(std::uint16_t index) const noexcept {
        return ring_ + std::size_t{16} * index + PackedParts::flags;
    }
    /// The chain of this entry goes to the front of the free list.
    void set_free_head(std::uint16_t index) noexcept;
    /// used_idx, old_used_idx and their wrap counters in one store: half of them would be a lie.
    void store_places(PackedPlace now, PackedPlace before) const noexcept;

    std::shared_ptr<const InflightArea> area_;
    std::byte* at_;    ///< shared with the front end; only written once open
    std::byte* ring_;  ///< guest-controlled
    std::uint32_t ring_size_;
    bool resumed_ = false;
    PackedPlace next_used_;
    std::uint64_t counter_ = 0;  ///< of the next chain taken
    std::vector<Link> links_;
    std::uint16_t free_head_ = 0;
    std::uint32_t free_ = 0;            ///< entries in the free list
    std::vector<std::uint16_t> batch_;  ///< used, not published yet
    std::vector<Left> left_;
    std::size_t taken_again_ = 0;  ///< of left_
};

}  // namespace skbtrail::device
