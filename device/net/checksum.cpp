#include "device/net/checksum.h"

namespace skbtrail::device {

namespace {

/// Where the checksum is in a UDP header; TCP's is at 16, ICMPv6's at 2.
constexpr std::size_t udp_checksum_offset = 6;

}  // namespace

std::uint16_t internet_sum(std::span<const std::byte> bytes, std::uint16_t sum) {
    std::uint64_t total = sum;
    std::size_t i = 0;
    for (; i + 1 < bytes.size(); i += 2) {
        total += std::to_integer<std::uint64_t>(bytes[i]) << 8 |
                 std::to_integer<std::uint64_t>(bytes[i + 1]);
    }
    if (i < bytes.size()) {
        total += std::to_integer<std::uint64_t>(bytes[i]) << 8;
    }
    while (total >> 16 != 0) {
        total = (total & 0xffff) + (total >> 16);
    }
    return static_cast<std::uint16_t>(total);
}

bool complete_checksum(std::span<std::byte> frame, const FrameOffload& offload) {
    const std::size_t field = std::size_t{offload.checksum_start} + offload.checksum_offset;
    if (field + 2 > frame.size()) {
        return false;
    }
    auto checksum =
        static_cast<std::uint16_t>(~internet_sum(frame.subspan(offload.checksum_start)));
    if (checksum == 0 && offload.checksum_offset == udp_checksum_offset) {
        checksum = 0xffff;
    }
    frame[field] = static_cast<std::byte>(checksum >> 8);
    frame[field + 1] = static_cast<std::byte>(checksum & 0xff);
    return true;
}

}  // namespace skbtrail::device
