// What passes between the NICs of a hub: one frame a message, with what was left undone in it.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "device/wire/wire.h"

namespace skbtrail::device {

/// The first message of each side: who speaks, and which version of this.
inline constexpr std::string_view hub_greeting = "skbtrail hub 1\n";

/// Before each frame, in this machine's byte order: both ends run on it.
struct HubHeader {
    std::uint8_t flags;
    std::uint8_t gso_type;
    std::uint16_t header_length;
    std::uint16_t gso_size;
    std::uint16_t checksum_start;
    std::uint16_t checksum_offset;
    std::uint16_t reserved;
};
static_assert(sizeof(HubHeader) == 12);

/// An IP packet of the greatest length behind an Ethernet header and two VLAN tags.
inline constexpr std::size_t longest_hub_frame = 65535 + 14 + 8;
inline constexpr std::size_t longest_hub_message = sizeof(HubHeader) + longest_hub_frame;

HubHeader to_hub_header(const FrameOffload& offload);
/// The frame of a message; none when it is no message of ours, or speaks of places that the frame
/// does not have.
std::optional<Frame> from_hub_message(std::span<std::byte> message);

}  // namespace skbtrail::device
