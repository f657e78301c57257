// Numbers in network byte order at any place of a frame. The caller has checked that they are
// there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace skbtrail::device {

inline std::uint8_t get8(std::span<const std::byte> bytes, std::size_t at) {
    return std::to_integer<std::uint8_t>(bytes[at]);
}

inline std::uint16_t get16(std::span<const std::byte> bytes, std::size_t at) {
    return static_cast<std::uint16_t>(get8(bytes, at) << 8 | get8(bytes, at + 1));
}

inline std::uint32_t get32(std::span<const std::byte> bytes, std::size_t at) {
    return std::uint32_t{get16(bytes, at)} << 16 | get16(bytes, at + 2);
}

/// Its low 16 bits.
inline void put16(std::span<std::byte> bytes, std::size_t at, std::size_t value) {
    bytes[at] = static_cast<std::byte>(value >> 8 & 0xff);
    bytes[at + 1] = static_cast<std::byte>(value & 0xff);
}

inline void put32(std::span<std::byte> bytes, std::size_t at, std::uint32_t value) {
    put16(bytes, at, value >> 16);
    put16(bytes, at + 2, value & 0xffff);
}

}  // namespace skbtrail::device
