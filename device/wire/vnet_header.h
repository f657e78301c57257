// struct virtio_net_hdr_v1 (virtio 1.3, 5.1.6): what is left to do to a frame, as it goes before
// the frame in a ring, through a tap device and between the NICs of a hub.
#pragma once

#include <cstdint>

#include "device/wire/wire.h"

namespace skbtrail::device {

/// In this machine's byte order, which is that of rings too; linux/virtio_net.h is not for C++.
struct VnetHeader {
    std::uint8_t flags;
    std::uint8_t gso_type;
    std::uint16_t header_length;
    std::uint16_t gso_size;
    std::uint16_t checksum_start;
    std::uint16_t checksum_offset;
    std::uint16_t buffers;  ///< of rings only
};
static_assert(sizeof(VnetHeader) == 12);

inline constexpr std::uint8_t vnet_needs_checksum = 1;  ///< VIRTIO_NET_HDR_F_NEEDS_CSUM
inline constexpr std::uint8_t vnet_data_valid = 2;      ///< VIRTIO_NET_HDR_F_DATA_VALID

inline VnetHeader to_vnet_header(const FrameOffload& offload) noexcept {
    VnetHeader header{};
    if (offload.needs_checksum) {
        header.flags = vnet_needs_checksum;
        header.checksum_start = offload.checksum_start;
        header.checksum_offset = offload.checksum_offset;
    } else if (offload.data_valid) {
        header.flags = vnet_data_valid;
    }
    header.gso_type = offload.gso_type;
    header.gso_size = offload.gso_size;
    header.header_length = offload.header_length;
    return header;
}

/// What the header says, true or not: whoever does not trust its writer checks it then. Fields
/// that its flags and its type give no meaning are left out, and so are unknown flags.
inline FrameOffload from_vnet_header(const VnetHeader& header) noexcept {
    FrameOffload offload;
    offload.needs_checksum = (header.flags & vnet_needs_checksum) != 0;
    offload.data_valid = (header.flags & vnet_data_valid) != 0;
    if (offload.needs_checksum) {
        offload.checksum_start = header.checksum_start;
        offload.checksum_offset = header.checksum_offset;
    }
    if (header.gso_type != gso_none) {
        offload.gso_type = header.gso_type;
        offload.gso_size = header.gso_size;
        offload.header_length = header.header_length;
    }
    return offload;
}

}  // namespace skbtrail::device
