#include "device/virtqueue/ring.h"

#include <limits>

#include <fmt/format.h>

namespace skbtrail::device {

tl::expected<Ring, RingFault> Ring::open(std::shared_ptr<const GuestMemory> memory,
                                         const RingAddresses& addresses, std::uint32_t size,
                                         RingFeatures features, std::uint32_t base) {
    auto ring = SplitRing::open(std::move(memory), addresses, size, features,
                                static_cast<std::uint16_t>(base));
    if (!ring) {
        return tl::make_unexpected(std::move(ring.error()));
    }
    return Ring(std::move(*ring));
}

}  // namespace skbtrail::device
