// An Ethernet address.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace skbtrail::device {

struct MacAddress {
    std::array<std::uint8_t, 6> octets{};

    /// Reads `52:55:0a:00:02:02`.
    static std::optional<MacAddress> parse(std::string_view text);
    /// From the first six bytes of `bytes`, which has them.
    static MacAddress from_bytes(std::span<const std::byte> bytes);
    std::string text() const;
    /// A group address: multicast or broadcast. No station sends from one.
    bool is_group() const { return (octets[0] & 1) != 0; }
    bool operator==(const MacAddress&) const = default;
};

}  // namespace skbtrail::device
