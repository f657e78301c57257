#include "device/wire/mac_address.h"

#include <charconv>
#include <cstring>

#include <fmt/format.h>

namespace skbtrail::device {

std::optional<MacAddress> MacAddress::parse(std::string_view text) {
    MacAddress mac;
    if (text.size() != mac.octets.size() * 3 - 1) {
        return std::nullopt;
    }
    for (std::size_t i = 0; i < mac.octets.size(); ++i) {
        const char* const begin = text.data() + i * 3;
        const auto [end, error] = std::from_chars(begin, begin + 2, mac.octets[i], 16);
        const bool separated = i + 1 == mac.octets.size() || begin[2] == ':';
        if (error != std::errc{} || end != begin + 2 || !separated) {
            return std::nullopt;
        }
    }
    return mac;
}

MacAddress MacAddress::from_bytes(std::span<const std::byte> bytes) {
    MacAddress mac;
    std::memcpy(mac.octets.data(), bytes.data(), mac.octets.size());
    return mac;
}

std::string MacAddress::text() const {
    return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", octets[0], octets[1], octets[2],
                       octets[3], octets[4], octets[5]);
}

}  // namespace skbtrail::device
