// What passes between the NICs of a hub: one frame a message, with what was left undone in it.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "device/wire/vnet_header.h"
#include "device/wire/wire.h"

namespace skbtrail::device {

/// The first message of each side: who speaks, and which version of this.
inline constexpr std::string_view hub_greeting = "skbtrail hub 1\n";

/// An IP packet of the greatest length behind an Ethernet header and two VLAN tags.
inline constexpr std::size_t longest_hub_frame = 65535 + 14 + 8;
/// Before each frame goes its header, in the byte order of the machine: both ends run on it.
inline constexpr std::size_t longest_hub_message = sizeof(VnetHeader) + longest_hub_frame;

/// The frame of a message; none when it is no message of ours, or speaks of places that the frame
/// does not have.
std::optional<Frame> from_hub_message(std::span<std::byte> message);

}  // namespace skbtrail::device
