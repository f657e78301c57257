// What a queue's part of an InflightArea looks like (vhost-user, "Inflight I/O tracking").
//
// Numbers are in the machine's byte order, and fields are as the specification names them.
#pragma once

#include <cstdint>

namespace skbtrail::device {

/// `version` of both formats; 0 is a part that was not used yet.
inline constexpr std::uint16_t inflight_version = 1;

/// DescStateSplit: of the descriptor with the same index; only heads of chains have one.
struct SplitInflightEntry {
    std::uint8_t inflight;
    std::uint8_t padding[5];
    std::uint16_t next;     ///< in the list of those that were returned together last
    std::uint64_t counter;  ///< in the order of being taken
};
static_assert(sizeof(SplitInflightEntry) == 16);

/// QueueRegionSplit, which entries follow.
struct SplitInflightHeader {
    std::uint64_t features;  ///< 0
    std::uint16_t version;
    std::uint16_t desc_num;         ///< entries
    std::uint16_t last_batch_head;  ///< of the list of those that were returned together last
    std::uint16_t used_idx;         ///< of the ring, once the entries say the same
};
static_assert(sizeof(SplitInflightHeader) == 16);

/// DescStatePacked. Entries are not those of the ring's places: places are overwritten while their
/// chains are out. Each keeps one descriptor; those of a chain are linked, and so are the free
/// ones.
struct PackedInflightEntry {
    std::uint8_t inflight;
    std::uint8_t padding;
    std::uint16_t next;     ///< of the chain or of the free list; desc_num: none
    std::uint16_t last;     ///< of the chain; only in its first
    std::uint16_t num;      ///< descriptors in the chain; only in its first
    std::uint64_t counter;  ///< in the order of being taken; only in the first
    std::uint16_t id;
    std::uint16_t flags;
    std::uint32_t len;
    std::uint64_t addr;
};
static_assert(sizeof(PackedInflightEntry) == 32);

/// QueueRegionPacked, which entries follow. Each `old_` field is what the field without was before
/// the chains that are being returned just now; they differ only during that.
struct PackedInflightHeader {
    std::uint64_t features;  ///< 0
    std::uint16_t version;
    std::uint16_t desc_num;   ///< entries
    std::uint16_t free_head;  ///< of the free list
    std::uint16_t old_free_head;
    std::uint16_t used_idx;  ///< place of the next used descriptor
    std::uint16_t old_used_idx;
    std::uint8_t used_wrap_counter;
    std::uint8_t old_used_wrap_counter;
    std::uint8_t padding[10];
};
static_assert(sizeof(PackedInflightHeader) == 32);

}  // namespace skbtrail::device
