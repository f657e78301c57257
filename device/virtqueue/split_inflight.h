// The chains of a split ring that are in flight, as they are noted for the device that comes after
// a killed one (vhost-user, "Inflight I/O tracking").
//
// Every store here is one of the specification's steps, in its order: whoever kills the process
// between two of them leaves a state that open() understands.
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

namespace skbtrail::device {

class SplitInflight {
  public:
    /// What is noted of queue `queue` of the area, for a ring of `ring_size` whose used index
    /// is `used_index`: set in order first if the last device was killed in the middle of a
    /// change, begun if it was not in use. A fault when it cannot be about this ring.
    static tl::expected<SplitInflight, RingFault> open(std::shared_ptr<const InflightArea> area,
                                                       unsigned queue, std::uint32_t ring_size,
                                                       std::uint16_t used_index);

    /// Whether the part was in use: the ring's place is the used index and the chains in flight.
    bool resumed() const noexcept { return resumed_; }
    /// Heads that were in flight and are to be taken again, first taken first.
    std::span<const std::uint16_t> left() const noexcept {
        return std::span(left_).subspan(taken_again_);
    }

    /// The next of them was taken again; the last of those taken was given back unused.
    void take_again() noexcept { ++taken_again_; }
    void put_back_again() noexcept { --taken_again_; }

    /// A chain is taken. Heads are below the ring's size.
    void taken(std::uint16_t head) noexcept;
    void put_back(std::uint16_t head) noexcept;
    /// A chain is returned, with the next published().
    void used(std::uint16_t head);
    /// The driver sees the ring's used index, which is this now.
    void published(std::uint16_t used_index) noexcept;

    bool lost() const noexcept { return area_->lost(); }

  private:
    using Header = SplitInflightHeader;
    using Entry = SplitInflightEntry;

    SplitInflight(std::shared_ptr<const InflightArea> area, std::byte* at)
        : area_(std::move(area)), at_(at) {}

    std::byte* entry(std::uint16_t head) const noexcept {
        return at_ + sizeof(Header) + sizeof(Entry) * head;
    }
    void begin(std::uint16_t used_index) noexcept;
    tl::expected<void, RingFault> resume(std::uint32_t ring_size, std::uint16_t used_index);

    std::shared_ptr<const InflightArea> area_;
    std::byte* at_;  ///< shared with the front end; only written once open
    bool resumed_ = false;
    std::uint64_t counter_ = 0;  ///< of the next chain taken
    std::uint16_t last_batch_head_ = 0;
    std::vector<std::uint16_t> batch_;  ///< used, not published yet
    std::vector<std::uint16_t> left_;
    std::size_t taken_again_ = 0;  ///< of left_
};

}  // namespace skbtrail::device
