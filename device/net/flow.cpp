#include "device/net/flow.h"

#include <algorithm>
#include <cstring>

namespace skbtrail::device {

namespace {

constexpr std::size_t ethernet_bytes = 14;
constexpr std::uint16_t type_vlan = 0x8100;
constexpr std::uint16_t type_service_vlan = 0x88a8;
constexpr std::uint16_t type_ipv4 = 0x0800;
constexpr std::uint16_t type_ipv6 = 0x86dd;
constexpr std::uint8_t protocol_tcp = 6;
constexpr std::uint8_t protocol_udp = 17;
constexpr std::uint8_t protocol_sctp = 132;

std::uint8_t octet(std::span<const std::byte> bytes, std::size_t at) {
    return std::to_integer<std::uint8_t>(bytes[at]);
}

std::uint16_t big16(std::span<const std::byte> bytes, std::size_t at) {
    return static_cast<std::uint16_t>(octet(bytes, at) << 8 | octet(bytes, at + 1));
}

std::uint64_t word(std::span<const std::byte> bytes, std::size_t at, std::size_t count) {
    std::uint64_t value = 0;
    std::memcpy(&value, bytes.data() + at, count);
    return value;
}

/// Spreads every bit of `value` over all bits (the finaliser of MurmurHash3).
std::uint64_t mix(std::uint64_t value) {
    value ^= value >> 33;
    value *= 0xff51afd7ed558ccd;
    value ^= value >> 33;
    value *= 0xc4ceb9fe1a85ec53;
    value ^= value >> 33;
    return value;
}

/// One end of a conversation.
std::uint64_t end_of(std::span<const std::byte> packet, std::size_t address, std::size_t bytes,
                     std::uint16_t port) {
    std::uint64_t value = port;
    for (std::size_t done = 0; done < bytes; done += 8) {
        value = mix(value ^ word(packet, address + done, std::min<std::size_t>(bytes - done, 8)));
    }
    return value;
}

/// `transport`: where ports would be, when the packet has them.
std::uint64_t flow(std::span<const std::byte> packet, std::size_t source, std::size_t target,
                   std::size_t address_bytes, std::uint8_t protocol, std::size_t transport,
                   bool fragment) {
    const bool with_ports =
        !fragment && packet.size() >= transport + 4 &&
        (protocol == protocol_tcp || protocol == protocol_udp || protocol == protocol_sctp);
    const std::uint16_t from = with_ports ? big16(packet, transport) : std::uint16_t{0};
    const std::uint16_t to = with_ports ? big16(packet, transport + 2) : std::uint16_t{0};
    // A sum, so that both directions are the same.
    return mix(end_of(packet, source, address_bytes, from) +
               end_of(packet, target, address_bytes, to) + protocol);
}

std::optional<std::uint64_t> flow_of_ipv4(std::span<const std::byte> packet) {
    constexpr std::size_t least = 20;
    if (packet.size() < least || octet(packet, 0) >> 4 != 4) {
        return std::nullopt;
    }
    const std::size_t header = std::size_t{4} * (octet(packet, 0) & 0xfU);
    const bool fragment = (big16(packet, 6) & 0x3fff) != 0;  // more to come, or not the first
    return flow(packet, 12, 16, 4, octet(packet, 9), std::max(header, least), fragment);
}

std::optional<std::uint64_t> flow_of_ipv6(std::span<const std::byte> packet) {
    constexpr std::size_t least = 40;
    if (packet.size() < least || octet(packet, 0) >> 4 != 6) {
        return std::nullopt;
    }
    return flow(packet, 8, 24, 16, octet(packet, 6), least, false);
}

}  // namespace

std::optional<std::uint64_t> flow_of(std::span<const std::byte> frame) {
    std::size_t at = ethernet_bytes - 2;
    for (int tags = 0; frame.size() >= at + 2; ++tags) {
        const std::uint16_t type = big16(frame, at);
        if (type == type_ipv4) {
            return flow_of_ipv4(frame.subspan(at + 2));
        }
        if (type == type_ipv6) {
            return flow_of_ipv6(frame.subspan(at + 2));
        }
        if ((type != type_vlan && type != type_service_vlan) || tags == 2) {
            return std::nullopt;
        }
        at += 4;
    }
    return std::nullopt;
}

}  // namespace skbtrail::device
