// Which conversation a frame belongs to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace skbtrail::device {

/// A number for the conversation that a frame is part of, the same in both directions: made of
/// the IPv4 or IPv6 addresses, the protocol and, for TCP, UDP and SCTP that is not fragmented, the
/// ports; under up to two VLAN tags. None for other frames and for such that are cut short.
std::optional<std::uint64_t> flow_of(std::span<const std::byte> frame);

}  // namespace skbtrail::device
