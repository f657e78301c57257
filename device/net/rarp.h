// The frame that tells switches where a station is now.
#pragma once

#include <array>
#include <cstddef>
#include <span>

namespace skbtrail::device {

/// Ethernet's minimum without FCS.
inline constexpr std::size_t rarp_frame_bytes = 60;

/// A broadcast reverse-ARP request from and about `mac` (RFC 903): nobody answers it any more, but
/// every switch learns the port.
std::array<std::byte, rarp_frame_bytes> make_rarp(std::span<const std::byte, 6> mac);

}  // namespace skbtrail::device
