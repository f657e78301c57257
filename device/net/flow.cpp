#include "device/net/flow.h"

#include <algorithm>
#include <cstring>

#include <net/ethernet.h>
#include <netinet/in.h>

#include "device/net/vlan.h"

namespace skbtrail::device {

namespace {

template <typename Word>
std::uint64_t word(std::span<const std::byte> bytes, std::size_t at) {
    Word value = 0;
    std::memcpy(&value, bytes.data() + at, sizeof value);
    return value;
}

// Odd numbers with about as many ones as zeros (wyhash's): what is multiplied must not be 0.
constexpr std::uint64_t salt_low = 0xa0761d6478bd642f;
constexpr std::uint64_t salt_high = 0xe7037ed1a0b428db;
constexpr std::uint64_t salt_last = 0x8ebc6af09c88c6e3;

/// Spreads the bits of both over all bits, by one multiplication: this is done for every frame.
std::uint64_t mix(std::uint64_t one, std::uint64_t other) {
    __extension__ using Product = unsigned __int128;
    const Product product = Product{one} * other;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

/// The same for both directions. An end is an address and a port.
std::uint64_t flow_between(std::uint64_t source, std::uint64_t target, std::uint8_t protocol) {
    const auto [low, high] = std::minmax(source, target);
    return mix(mix(low ^ salt_low, high ^ salt_high) ^ protocol, salt_last);
}

struct Ports {
    std::uint64_t source = 0;
    std::uint64_t target = 0;
};

/// `transport`: where ports would be, when the packet has them.
Ports ports_of(std::span<const std::byte> packet, std::uint8_t protocol, std::size_t transport) {
    if (packet.size() < transport + 4 ||
        (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP && protocol != IPPROTO_SCTP)) {
        return {};
    }
    return {word<std::uint16_t>(packet, transport), word<std::uint16_t>(packet, transport + 2)};
}

std::optional<std::uint64_t> flow_of_ipv4(std::span<const std::byte> packet) {
    constexpr std::size_t least = 20;
    if (packet.size() < least || get8(packet, 0) >> 4 != 4) {
        return std::nullopt;
    }
    const std::size_t header = std::size_t{4} * (get8(packet, 0) & 0xfU);
    const bool fragment = (get16(packet, 6) & 0x3fff) != 0;  // more to come, or not the first
    const std::uint8_t protocol = get8(packet, 9);
    const Ports ports = fragment ? Ports{} : ports_of(packet, protocol, std::max(header, least));
    return flow_between(word<std::uint32_t>(packet, 12) << 16 | ports.source,
                        word<std::uint32_t>(packet, 16) << 16 | ports.target, protocol);
}

std::optional<std::uint64_t> flow_of_ipv6(std::span<const std::byte> packet) {
    constexpr std::size_t least = 40;
    if (packet.size() < least || get8(packet, 0) >> 4 != 6) {
        return std::nullopt;
    }
    const std::uint8_t protocol = get8(packet, 6);
    const Ports ports = ports_of(packet, protocol, least);
    const auto end = [packet](std::size_t address, std::uint64_t port) {
        return mix(word<std::uint64_t>(packet, address) ^ salt_low,
                   word<std::uint64_t>(packet, address + 8) ^ salt_high) +
               port;
    };
    return flow_between(end(8, ports.source), end(24, ports.target), protocol);
}

}  // namespace

std::optional<std::uint64_t> flow_of(std::span<const std::byte> frame) {
    std::size_t at = ETHER_HDR_LEN - 2;
    for (unsigned tags = 0; frame.size() >= at + 2; ++tags) {
        const std::uint16_t type = get16(frame, at);
        if (type == ETHERTYPE_IP) {
            return flow_of_ipv4(frame.subspan(at + 2));
        }
        if (type == ETHERTYPE_IPV6) {
            return flow_of_ipv6(frame.subspan(at + 2));
        }
        if (!is_vlan(type) || tags == most_vlan_tags) {
            return std::nullopt;
        }
        at += vlan_tag_bytes;
    }
    return std::nullopt;
}

}  // namespace skbtrail::device
