// The Internet checksum (RFC 1071), for frames that arrive without it at somebody who needs it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "device/wire/wire.h"

namespace skbtrail::device {

/// Ones' complement sum of `bytes`, not inverted, in host order. `sum` is a sum to go on from,
/// over an even number of bytes.
std::uint16_t internet_sum(std::span<const std::byte> bytes, std::uint16_t sum = 0);

/// Completes a checksum that offload.needs_checksum announces: the field holds the sum of the
/// pseudo-header; the sum of everything from checksum_start on, inverted, replaces it. 0 becomes
/// 0xffff where the frame is UDP, in which 0 means "none". Leaves the frame alone and returns
/// false when the field is not inside of it.
bool complete_checksum(std::span<std::byte> frame, const FrameOffload& offload);

}  // namespace skbtrail::device
