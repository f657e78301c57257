#include "device/wire/hub_message.h"

#include <cstring>

#include <net/ethernet.h>

namespace skbtrail::device {

namespace {

constexpr std::uint8_t flag_needs_checksum = 1;
constexpr std::uint8_t flag_data_valid = 2;

}  // namespace

HubHeader to_hub_header(const FrameOffload& offload) {
    HubHeader header{};
    if (offload.needs_checksum) {
        header.flags = flag_needs_checksum;
        header.checksum_start = offload.checksum_start;
        header.checksum_offset = offload.checksum_offset;
    } else if (offload.data_valid) {
        header.flags = flag_data_valid;
    }
    header.gso_type = offload.gso_type;
    header.gso_size = offload.gso_size;
    header.header_length = offload.header_length;
    return header;
}

std::optional<Frame> from_hub_message(std::span<std::byte> message) {
    if (message.size() < sizeof(HubHeader) + ETHER_HDR_LEN ||
        message.size() > longest_hub_message) {
        return std::nullopt;
    }
    HubHeader header{};
    std::memcpy(&header, message.data(), sizeof header);
    const std::span<std::byte> bytes = message.subspan(sizeof header);
    FrameOffload offload;
    offload.needs_checksum = (header.flags & flag_needs_checksum) != 0;
    offload.data_valid = (header.flags & flag_data_valid) != 0;
    if (offload.needs_checksum) {
        if (std::size_t{header.checksum_start} + header.checksum_offset + 2 > bytes.size()) {
            return std::nullopt;
        }
        offload.checksum_start = header.checksum_start;
        offload.checksum_offset = header.checksum_offset;
    }
    if (header.gso_type != gso_none) {
        if (header.gso_size == 0 || !offload.needs_checksum) {
            return std::nullopt;
        }
        offload.gso_type = header.gso_type;
        offload.gso_size = header.gso_size;
        offload.header_length = header.header_length;
    }
    return Frame{bytes, offload, Frame::any_pair, bytes};
}

}  // namespace skbtrail::device
