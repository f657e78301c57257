// struct virtio_net_hdr: what travels with each frame in a ring (virtio 1.3, 5.1.6).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "device/net/features.h"
#include "device/result.h"
#include "device/wire/wire.h"

namespace skbtrail::device {

/// Length of the header as negotiated: 12 bytes with VERSION_1 or MRG_RXBUF, else 10.
constexpr std::size_t net_header_bytes(Features negotiated) {
    return (negotiated & (feature_version_1 | feature_mrg_rxbuf)) != 0 ? 12 : 10;
}

inline constexpr std::size_t max_net_header_bytes = 12;
using NetHeaderBytes = std::array<std::byte, max_net_header_bytes>;

/// Whether a header asks for neither a checksum nor segmentation, as most do: then there is nothing
/// in it to parse.
inline bool asks_for_nothing(const NetHeaderBytes& header) noexcept {
    // Flags and gso_type, as in struct virtio_net_hdr.
    return header[0] == std::byte{0} && header[1] == std::byte{0};
}

/// Reads what a driver wrote before a frame of `frame_bytes`, and checks it (5.1.6.2): a checksum
/// or a segmentation that was not negotiated, a checksum outside of the frame, a segment size of
/// 0 are failures. Flags that the device does not know are ignored, and so are the checksum
/// fields without their flag, as the specification asks.
Result<FrameOffload> parse_transmit_header(const NetHeaderBytes& header, std::size_t frame_bytes,
                                           Features negotiated);

/// Writes the header of a frame for the driver. `buffers` is the number of chains that the frame
/// fills (1 without MRG_RXBUF).
NetHeaderBytes make_receive_header(const FrameOffload& offload, std::uint16_t buffers);

}  // namespace skbtrail::device
