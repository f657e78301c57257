#include "device/net/header.h"

#include <cstring>

#include <fmt/format.h>

#include "device/wire/vnet_header.h"

namespace skbtrail::device {

namespace {

/// What a driver must have negotiated to ask for segments of this type; 0 when there is none.
Features host_segment_features_for(std::uint8_t gso_type) {
    switch (gso_type) {
        case gso_tcp4:
            return feature_host_tso4;
        case gso_tcp6:
            return feature_host_tso6;
        case gso_tcp4 | gso_ecn:
            return feature_host_tso4 | feature_host_ecn;
        case gso_tcp6 | gso_ecn:
            return feature_host_tso6 | feature_host_ecn;
        case gso_udp:
            return feature_host_ufo;
        case gso_udp_segments:
            return feature_host_uso;
        default:
            return 0;
    }
}

}  // namespace

Result<FrameOffload> parse_transmit_header(const NetHeaderBytes& header, std::size_t frame_bytes,
                                           Features negotiated) {
    VnetHeader raw{};
    std::memcpy(&raw, header.data(), sizeof raw);
    FrameOffload offload = from_vnet_header(raw);
    offload.data_valid = false;  // for the driver to be told, not to tell
    if (offload.needs_checksum) {
        if ((negotiated & feature_csum) == 0) {
            return failure("the header asks for a checksum, and csum was not negotiated");
        }
        const std::size_t end = std::size_t{offload.checksum_start} + offload.checksum_offset + 2;
        if (end > frame_bytes) {
            return failure(
                fmt::format("the header wants a checksum at {} + {} in a frame of {} "
                            "bytes",
                            offload.checksum_start, offload.checksum_offset, frame_bytes));
        }
    }
    if (offload.gso_type != gso_none) {
        const Features needed = host_segment_features_for(offload.gso_type);
        if (needed == 0 || (negotiated & needed) != needed) {
            return failure(
                fmt::format("the header asks for segmentation of type {}, which was not negotiated",
                            offload.gso_type));
        }
        if (offload.gso_size == 0) {
            return failure("the header asks for segments of 0 bytes");
        }
        if (!offload.needs_checksum) {
            return failure("the header asks for segmentation and not for checksums");
        }
    }
    return offload;
}

NetHeaderBytes make_receive_header(const FrameOffload& offload, std::uint16_t buffers) {
    VnetHeader raw = to_vnet_header(offload);
    raw.buffers = buffers;
    NetHeaderBytes header;
    static_assert(sizeof raw == sizeof header);
    std::memcpy(header.data(), &raw, sizeof raw);
    return header;
}

}  // namespace skbtrail::device
