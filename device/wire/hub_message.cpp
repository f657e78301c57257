#include "device/wire/hub_message.h"

#include <cstring>

#include <net/ethernet.h>

namespace skbtrail::device {

std::optional<Frame> from_hub_message(std::span<std::byte> message) {
    if (message.size() < sizeof(VnetHeader) + ETHER_HDR_LEN ||
        message.size() > longest_hub_message) {
        return std::nullopt;
    }
    VnetHeader header{};
    std::memcpy(&header, message.data(), sizeof header);
    const std::span<std::byte> bytes = message.subspan(sizeof header);
    const FrameOffload offload = from_vnet_header(header);
    if (offload.needs_checksum &&
        std::size_t{offload.checksum_start} + offload.checksum_offset + 2 > bytes.size()) {
        return std::nullopt;
    }
    if (offload.gso_type != gso_none && (offload.gso_size == 0 || !offload.needs_checksum)) {
        return std::nullopt;
    }
    return Frame{bytes, offload, Frame::any_pair, bytes};
}

}  // namespace skbtrail::device
