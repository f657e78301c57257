#include "device/virtqueue/ring.h"

#include <limits>

#include <fmt/format.h>

namespace skbtrail::device {

tl::expected<Ring, RingFault> Ring::open(std::shared_ptr<const GuestMemory> memory,
                                         const RingAddresses& addresses, std::uint32_t size,
                                         RingFeatures features, std::uint32_t base) {
    const auto wrap = [](auto&& ring) { return Ring(std::forward<decltype(ring)>(ring)); };
    if (features.packed) {
        return PackedRing::open(std::move(memory), addresses, size, features, base).map(wrap);
    }
    if (base > std::numeric_limits<std::uint16_t>::max()) {
        return ring_fault(RingFaultKind::bad_base,
                          fmt::format("{} is no index of a split ring, which has 16 bits", base));
    }
    return SplitRing::open(std::move(memory), addresses, size, features,
                           static_cast<std::uint16_t>(base))
        .map(wrap);
}

}  // namespace skbtrail::device
