// What the driver can read about the device: struct virtio_net_config (virtio 1.3, 5.1.4).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "device/result.h"

namespace skbtrail::device {

/// The smallest MTU (RFC 791, and what drivers check) and the largest that fits its field.
inline constexpr std::uint64_t smallest_mtu = 68;
inline constexpr std::uint64_t largest_mtu = 65535;

/// The fields with their values. Which of them mean anything is decided by the features.
class ConfigSpace {
  public:
    using Mac = std::array<std::byte, 6>;

    /// The field `mac` (VIRTIO_NET_F_MAC).
    Mac mac{};
    bool link_up = true;      ///< in `status` (VIRTIO_NET_F_STATUS)
    bool announce = false;    ///< in `status`: the driver is to announce itself
    std::uint16_t pairs = 1;  ///< `max_virtqueue_pairs` (VIRTIO_NET_F_MQ), 1 to 0x8000
    std::uint16_t mtu = 1500;
    /// `speed` in Mb/s (VIRTIO_NET_F_SPEED_DUPLEX), 0 to 0x7fffffff.
    std::uint32_t speed = 10000;

    /// Its size: all fields that the specification has, with zeroes for features we have not.
    static constexpr std::size_t size = 24;

    /// Copies bytes as a driver reads them. Fails, with `to` untouched, when part of the range is
    /// outside.
    Result<> read(std::uint32_t offset, std::span<std::byte> to) const;
    /// Takes over what a migration brings: mac, announce and mtu. How many pairs there are, how
    /// fast the wire is and whether it is plugged in stays ours. Fails, with nothing changed, when
    /// part of the range is outside or the MTU is none.
    Result<> restore(std::uint32_t offset, std::span<const std::byte> from);
};

}  // namespace skbtrail::device
