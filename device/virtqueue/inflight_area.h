// Memory in which a device notes the chains that it has taken and not returned, shared with the
// front end (vhost-user, "Inflight I/O tracking"): it outlives a device that is killed, and tells
// the next one what to do again.
//
// The front end asks for such memory, keeps it, and hands it to each device that serves it. What
// is in it is as good as what the front end and its last device were: it is read once, when a ring
// starts, checked like anything else from outside, and only written after that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include <tl/expected.hpp>

#include "device/memory/region.h"
#include "device/result.h"
#include "device/unique_fd.h"
#include "device/virtqueue/fault.h"

namespace skbtrail::device {

/// "Inflight description".
struct InflightDescription {
    std::uint64_t size = 0;        ///< bytes
    std::uint64_t offset = 0;      ///< of the first in the file
    std::uint16_t queues = 0;      ///< whose parts follow each other, by number
    std::uint16_t queue_size = 0;  ///< descriptors that can be noted of each
};

/// A mapped area. The descriptor it came from is not needed after map().
class InflightArea {
  public:
    static constexpr unsigned max_queues = 256;  ///< rings have a number of 8 bits
    /// The parts of the queues begin at multiples of this.
    static constexpr std::uint64_t alignment = 64;

    /// An empty area for the front end to keep: its file, which cannot be made smaller, and its
    /// description. Fails for numbers of queues and descriptors that cannot be.
    static Result<std::pair<UniqueFd, InflightDescription>> create(std::uint16_t queues,
                                                                   std::uint16_t queue_size,
                                                                   bool packed);
    /// Maps one. Fails, with a sentence, when it is empty, wraps around, exceeds its file, is not
    /// aligned, is no file in memory, or has no room for its queues in the smaller (split) format.
    /// A file that is cut short later ends nothing: see lost().
    static Result<std::shared_ptr<const InflightArea>> map(const UniqueFd& file,
                                                           const InflightDescription& description);

    unsigned queues() const noexcept { return description_.queues; }
    std::uint16_t queue_size() const noexcept { return description_.queue_size; }
    /// The part of a queue below queues(). A fault when the area has no room for it in this format.
    tl::expected<std::byte*, RingFault> part(unsigned queue, bool packed) const;
    /// Whether the part of a queue is in use: chains of its ring may be noted there.
    bool in_use(unsigned queue, bool packed) const;
    /// Forgets all chains: their driver does not wait for them any more.
    void forget(bool packed) const;
    /// Whether its file was cut short by the front end: what is noted since reaches nobody.
    bool lost() const noexcept { return region_->lost(); }

  private:
    InflightArea(std::shared_ptr<const Region> region, const InflightDescription& description)
        : region_(std::move(region)), description_(description) {}

    std::shared_ptr<const Region> region_;
    InflightDescription description_;
};

/// What is noted of a ring's chains in flight cannot be so.
tl::unexpected<RingFault> inflight_fault(std::string_view why);

}  // namespace skbtrail::device
