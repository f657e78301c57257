// What makes large frames fit between a guest and libslirp.
//
// libslirp cuts a stream at the MSS that the guest names in its SYN, and a packet of 1,448 bytes
// costs it, the device and the guest as much as one of 16,384. So the guest's SYN names a larger
// one to libslirp; what libslirp then sends is one TCP segment too large for the guest's link,
// marked to be cut (gso_tcp4). A guest that takes such frames gets it whole, for others the device
// cuts it. The guest's MTU stays what it is: libslirp's DHCP and router advertisements name none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "device/wire/wire.h"

namespace skbtrail::device {

/// The MSS that an IPv4 TCP segment with SYN names.
std::optional<std::uint16_t> find_mss(std::span<const std::byte> frame);
/// Names another one, which leaves the checksum right. Only for a frame in which find_mss() finds
/// one.
void replace_mss(std::span<std::byte> frame, std::uint16_t mss);

/// Marks an IPv4 TCP segment with more than `mss` bytes as to be cut, and leaves its checksum to
/// whoever does. None when the frame is nothing of the kind.
std::optional<FrameOffload> mark_segment(std::span<std::byte> frame, std::uint16_t mss);

/// Cuts an IPv4 packet, or a fragment, into fragments of at most `mtu` bytes (RFC 791, 2.3), and
/// hands each to `emit`; the bytes are only good during the call. False, and nothing is emitted,
/// when the frame is no IPv4 or cannot be cut.
bool fragment_ipv4(std::span<const std::byte> frame, std::size_t mtu,
                   const std::function<void(std::span<const std::byte>)>& emit);

}  // namespace skbtrail::device
