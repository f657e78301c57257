// The packed virtqueue as it lies in memory (virtio 1.3, 2.8).
#pragma once

#include <cstddef>
#include <cstdint>

#include "device/virtqueue/layout.h"

namespace skbtrail::device {

/// struct pvirtq_desc (2.8.13): offered by the driver and, in its place, used by the device.
struct PackedDescriptor {
    std::uint64_t address;
    std::uint32_t length;
    std::uint16_t id;
    std::uint16_t flags;
};
static_assert(sizeof(PackedDescriptor) == 16);

// NEXT, WRITE and INDIRECT are those of the split ring.
inline constexpr std::uint16_t packed_available = 1 << 7;  ///< VIRTQ_DESC_F_AVAIL
inline constexpr std::uint16_t packed_used = 1 << 15;      ///< VIRTQ_DESC_F_USED

/// struct pvirtq_event_suppress (2.8.14): le16 desc { off 15 bits, wrap 1 bit }, le16 flags.
inline constexpr std::uint16_t event_enable = 0;      ///< RING_EVENT_FLAGS_ENABLE
inline constexpr std::uint16_t event_disable = 1;     ///< RING_EVENT_FLAGS_DISABLE
inline constexpr std::uint16_t event_descriptor = 2;  ///< RING_EVENT_FLAGS_DESC
inline constexpr std::uint16_t event_flags_mask = 3;

struct PackedParts {
    static constexpr std::uint64_t descriptor_alignment = 16;
    static constexpr std::uint64_t event_alignment = 4;

    static constexpr std::uint64_t descriptor_bytes(std::uint64_t size) { return 16 * size; }
    static constexpr std::uint64_t event_bytes = 4;

    // Offsets inside struct pvirtq_desc.
    static constexpr std::size_t length = 8;
    static constexpr std::size_t id = 12;
    static constexpr std::size_t flags = 14;
};

/// A place in a packed ring: an index, and the wrap counter that starts at 1 and changes sides
/// with each lap (2.8.1). Passes 2 * size places before it repeats.
struct PackedPlace {
    std::uint16_t index = 0;
    bool wrap = true;

    bool operator==(const PackedPlace&) const = default;

    /// As in event suppression, GET_VRING_BASE and our events: the wrap counter in bit 15.
    static constexpr PackedPlace decode(std::uint16_t code) {
        return {static_cast<std::uint16_t>(code & 0x7fff), (code & 0x8000) != 0};
    }
    constexpr std::uint16_t encode() const {
        return static_cast<std::uint16_t>(index | (wrap ? 0x8000 : 0));
    }

    /// `by` at most `size`.
    constexpr void advance(std::uint32_t by, std::uint32_t size) {
        std::uint32_t to = index + by;
        if (to >= size) {
            to -= size;
            wrap = !wrap;
        }
        index = static_cast<std::uint16_t>(to);
    }
    constexpr void retreat(std::uint32_t by, std::uint32_t size) {
        if (by > index) {
            index = static_cast<std::uint16_t>(index + size - by);
            wrap = !wrap;
        } else {
            index = static_cast<std::uint16_t>(index - by);
        }
    }
    /// How many places from here to `to`, 0 to 2 * size - 1.
    constexpr std::uint32_t distance_to(PackedPlace to, std::uint32_t size) const {
        const std::uint32_t here = index + (wrap ? 0 : size);
        const std::uint32_t there = to.index + (to.wrap ? 0 : size);
        return there >= here ? there - here : there + 2 * size - here;
    }
};

/// Whether the driver has offered a descriptor with these flags, to a device whose place there has
/// this wrap counter.
constexpr bool packed_is_available(std::uint16_t flags, bool wrap) {
    return ((flags & packed_available) != 0) == wrap && ((flags & packed_used) != 0) != wrap;
}

}  // namespace skbtrail::device
