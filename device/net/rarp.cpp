#include "device/net/rarp.h"

#include <algorithm>
#include <cstdint>
#include <initializer_list>

namespace skbtrail::device {

std::array<std::byte, rarp_frame_bytes> make_rarp(std::span<const std::byte, 6> mac) {
    std::array<std::byte, rarp_frame_bytes> frame{};
    auto at = frame.begin();
    const auto put = [&](std::initializer_list<std::uint8_t> octets) {
        at = std::transform(octets.begin(), octets.end(), at,
                            [](std::uint8_t octet) { return std::byte{octet}; });
    };
    put({0xff, 0xff, 0xff, 0xff, 0xff, 0xff});
    at = std::copy(mac.begin(), mac.end(), at);
    put({0x80, 0x35});              // RARP
    put({0, 1, 8, 0, 6, 4, 0, 3});  // Ethernet, IPv4, lengths, "request reverse"
    at = std::copy(mac.begin(), mac.end(), at);
    put({0, 0, 0, 0});
    std::copy(mac.begin(), mac.end(), at);
    return frame;
}

}  // namespace skbtrail::device
