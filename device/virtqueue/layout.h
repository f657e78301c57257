// The split virtqueue as it lies in memory (virtio 1.3, 2.7).
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace skbtrail::device {

// Rings of a VERSION_1 device are little-endian, and so is every machine that this runs on;
// fields are used as they are.
static_assert(std::endian::native == std::endian::little);

/// struct virtq_desc (2.7.5).
struct RingDescriptor {
    std::uint64_t address;
    std::uint32_t length;
    std::uint16_t flags;
    std::uint16_t next;
};
static_assert(sizeof(RingDescriptor) == 16);

inline constexpr std::uint16_t descriptor_next = 1;      ///< VIRTQ_DESC_F_NEXT
inline constexpr std::uint16_t descriptor_write = 2;     ///< VIRTQ_DESC_F_WRITE
inline constexpr std::uint16_t descriptor_indirect = 4;  ///< VIRTQ_DESC_F_INDIRECT

/// VIRTQ_AVAIL_F_NO_INTERRUPT (2.7.6): the driver wants no calls.
inline constexpr std::uint16_t available_no_interrupt = 1;
/// VIRTQ_USED_F_NO_NOTIFY (2.7.8): the device wants no kicks.
inline constexpr std::uint16_t used_no_notify = 1;

inline constexpr std::uint32_t max_ring_size = 32768;

/// The most chains that a ring gives at a time (Ring::take_burst): enough that what is done once a
/// burst costs nothing a chain, few enough that their first lines stay in the nearest cache.
inline constexpr std::size_t max_burst = 64;

/// Of most processors; only speed depends on it.
inline constexpr std::size_t cache_line_bytes = 64;

/// Sizes and alignments of the three parts (2.7): with EVENT_IDX there is one field more at the
/// end of two of them, and its place is always reserved.
struct RingParts {
    static constexpr std::uint64_t descriptor_alignment = 16;
    static constexpr std::uint64_t available_alignment = 2;
    static constexpr std::uint64_t used_alignment = 4;

    static constexpr std::uint64_t descriptor_bytes(std::uint64_t size) { return 16 * size; }
    static constexpr std::uint64_t available_bytes(std::uint64_t size) { return 6 + 2 * size; }
    static constexpr std::uint64_t used_bytes(std::uint64_t size) { return 6 + 8 * size; }

    static constexpr std::size_t used_element_bytes = 8;

    // Offsets inside struct virtq_avail.
    static constexpr std::size_t available_flags = 0;
    static constexpr std::size_t available_index = 2;
    static constexpr std::size_t available_ring = 4;
    static constexpr std::size_t used_event(std::size_t size) { return 4 + 2 * size; }
    // Offsets inside struct virtq_used; its elements are { le32 id; le32 len; }.
    static constexpr std::size_t used_flags = 0;
    static constexpr std::size_t used_index = 2;
    static constexpr std::size_t used_ring = 4;
    static constexpr std::size_t available_event(std::size_t size) { return 4 + 8 * size; }
};

/// Whether the step of a free-running index from `before` to `now` passes `event`: the other
/// side asked to be told when the entry at `event` is made (2.7.7.2). All arithmetic is modulo
/// 2^16.
constexpr bool passes_event(std::uint16_t event, std::uint16_t now, std::uint16_t before) {
    return static_cast<std::uint16_t>(now - event - 1) < static_cast<std::uint16_t>(now - before);
}

}  // namespace skbtrail::device
