#include "device/net/header.h"

#include <cstring>

#include <fmt/format.h>

namespace skbtrail::device {

namespace {

constexpr std::uint8_t flag_needs_checksum = 1;  // VIRTIO_NET_HDR_F_NEEDS_CSUM
constexpr std::uint8_t flag_data_valid = 2;      // VIRTIO_NET_HDR_F_DATA_VALID

/// The structure as it lies in the buffer; num_buffers is absent from a legacy header.
struct RawHeader {
    std::uint8_t flags;
    std::uint8_t gso_type;
    std::uint16_t header_length;
    std::uint16_t gso_size;
    std::uint16_t checksum_start;
    std::uint16_t checksum_offset;
    std::uint16_t buffers;
};
static_assert(sizeof(RawHeader) == max_net_header_bytes);

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
    RawHeader raw{};
    std::memcpy(&raw, header.data(), sizeof raw);
    FrameOffload offload;
    if ((raw.flags & flag_needs_checksum) != 0) {
        if ((negotiated & feature_csum) == 0) {
            return failure("the header asks for a checksum, and csum was not negotiated");
        }
        const std::size_t end = std::size_t{raw.checksum_start} + raw.checksum_offset + 2;
        if (end > frame_bytes) {
            return failure(
                fmt::format("the header wants a checksum at {} + {} in a frame of {} "
                            "bytes",
                            raw.checksum_start, raw.checksum_offset, frame_bytes));
        }
        offload.needs_checksum = true;
        offload.checksum_start = raw.checksum_start;
        offload.checksum_offset = raw.checksum_offset;
    }
    if (raw.gso_type != gso_none) {
        const Features needed = host_segment_features_for(raw.gso_type);
        if (needed == 0 || (negotiated & needed) != needed) {
            return failure(
                fmt::format("the header asks for segmentation of type {}, which was not negotiated",
                            raw.gso_type));
        }
        if (raw.gso_size == 0) {
            return failure("the header asks for segments of 0 bytes");
        }
        if (!offload.needs_checksum) {
            return failure("the header asks for segmentation and not for checksums");
        }
        offload.gso_type = raw.gso_type;
        offload.gso_size = raw.gso_size;
        offload.header_length = raw.header_length;
    }
    return offload;
}

NetHeaderBytes make_receive_header(const FrameOffload& offload, std::uint16_t buffers) {
    RawHeader raw{};
    if (offload.needs_checksum) {
        raw.flags = flag_needs_checksum;
        raw.checksum_start = offload.checksum_start;
        raw.checksum_offset = offload.checksum_offset;
    } else if (offload.data_valid) {
        raw.flags = flag_data_valid;
    }
    raw.gso_type = offload.gso_type;
    raw.gso_size = offload.gso_size;
    raw.header_length = offload.header_length;
    raw.buffers = buffers;
    NetHeaderBytes header;
    std::memcpy(header.data(), &raw, sizeof raw);
    return header;
}

}  // namespace skbtrail::device
