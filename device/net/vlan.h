// VLAN tags between an Ethernet header's addresses and its type (IEEE 802.1Q).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "device/wire/network_bytes.h"

namespace skbtrail::device {

inline constexpr std::size_t vlan_tag_bytes = 4;
/// A service provider's around a customer's.
inline constexpr unsigned most_vlan_tags = 2;

/// Whether a tag follows, rather than a packet of that type.
constexpr bool is_vlan(std::uint16_t ethertype) {
    return ethertype == 0x8100 || ethertype == 0x88a8;
}

/// How many bytes of tags a frame has, of most_vlan_tags at most. It has an Ethernet header.
inline std::size_t vlan_tags_bytes(std::span<const std::byte> frame) {
    constexpr std::size_t type_at = 12;
    std::size_t tags = 0;
    while (tags < most_vlan_tags * vlan_tag_bytes && frame.size() >= type_at + tags + 2 &&
           is_vlan(get16(frame, type_at + tags))) {
        tags += vlan_tag_bytes;
    }
    return tags;
}

}  // namespace skbtrail::device
