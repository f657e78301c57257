#include "tracer/packet_headers.h"

#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <net/ethernet.h>

#include "tracer/chain/packet_words.h"

namespace skbtrail::tracer {

namespace {

using Bytes = std::span<const std::uint8_t>;

std::uint16_t be16(Bytes bytes, std::size_t at) {
    return static_cast<std::uint16_t>(bytes[at] << 8U | bytes[at + 1]);
}

std::uint32_t be32(Bytes bytes, std::size_t at) {
    return static_cast<std::uint32_t>(be16(bytes, at)) << 16U | be16(bytes, at + 2);
}

std::string address(int family, Bytes bytes) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    return ::inet_ntop(family, bytes.data(), text.data(), text.size()) == nullptr ? ""
                                                                                  : text.data();
}

/// The name of an IP protocol, or its number.
std::string protocol_name(unsigned number) {
    switch (number) {
        case 1:
            return "icmp";
        case 2:
            return "igmp";
        case 6:
            return "tcp";
        case 17:
            return "udp";
        case 58:
            return "icmpv6";
        case 132:
            return "sctp";
        default:
            return std::to_string(number);
    }
}

/// The name of an ICMP type (RFC 792), or its number.
std::string icmp_type_name(unsigned type) {
    switch (type) {
        case 0:
            return "echo-reply";
        case 3:
            return "destination-unreachable";
        case 5:
            return "redirect";
        case 8:
            return "echo-request";
        case 11:
            return "time-exceeded";
        case 12:
            return "parameter-problem";
        default:
            return std::to_string(type);
    }
}

/// The name of an ICMPv6 type (RFC 4443, RFC 4861), or its number.
std::string icmpv6_type_name(unsigned type) {
    switch (type) {
        case 1:
            return "destination-unreachable";
        case 2:
            return "packet-too-big";
        case 3:
            return "time-exceeded";
        case 128:
            return "echo-request";
        case 129:
            return "echo-reply";
        case 133:
            return "router-solicitation";
        case 134:
            return "router-advertisement";
        case 135:
            return "neighbour-solicitation";
        case 136:
            return "neighbour-advertisement";
        default:
            return std::to_string(type);
    }
}

/// "echo-request" as a person says it.
std::string spoken(std::string name) {
    for (char& c : name) {
        if (c == '-') c = ' ';
    }
    return name;
}

struct Decoder {
    PacketHeaders result;

    void set(chain::HeaderWord word, std::string value) {
        result.fields[std::string(word.text())] = std::move(value);
    }

    /// The beginning of what the headers carry, which tells alike packets apart.
    void payload(Bytes bytes) {
        constexpr std::size_t shown = 16;
        if (bytes.empty()) return;
        bytes = bytes.first(std::min(shown, bytes.size()));
        set("payload", fmt::format("{:02x}", fmt::join(bytes, "")));
    }

    void icmp(Bytes bytes, const std::string& way, bool version6) {
        if (bytes.size() < 4) return;
        const auto type = version6 ? icmpv6_type_name(bytes[0]) : icmp_type_name(bytes[0]);
        set("icmp.type", type);
        set("icmp.code", std::to_string(bytes[1]));
        result.summary = fmt::format("{} {} {}", version6 ? "ICMPv6" : "ICMP", spoken(type), way);
        if (type.starts_with("echo-") && bytes.size() >= 8) {
            set("icmp.id", std::to_string(be16(bytes, 4)));
            set("icmp.sequence", std::to_string(be16(bytes, 6)));
            result.summary += fmt::format(" id {} seq {}", be16(bytes, 4), be16(bytes, 6));
        }
    }

    void udp(Bytes bytes, const std::string& source, const std::string& destination) {
        if (bytes.size() < 4) return;
        set("udp.source", std::to_string(be16(bytes, 0)));
        set("udp.destination", std::to_string(be16(bytes, 2)));
        result.summary =
            fmt::format("UDP {}:{} > {}:{}", source, be16(bytes, 0), destination, be16(bytes, 2));
        if (bytes.size() > 8) payload(bytes.subspan(8));
    }

    void tcp(Bytes bytes, const std::string& source, const std::string& destination) {
        if (bytes.size() < 4) return;
        set("tcp.source", std::to_string(be16(bytes, 0)));
        set("tcp.destination", std::to_string(be16(bytes, 2)));
        result.summary =
            fmt::format("TCP {}:{} > {}:{}", source, be16(bytes, 0), destination, be16(bytes, 2));
        if (bytes.size() < 14) return;
        constexpr std::array<std::string_view, 8> names{"FIN", "SYN", "RST", "PSH",
                                                        "ACK", "URG", "ECE", "CWR"};
        std::vector<std::string_view> flags;
        for (unsigned bit = 0; bit < names.size(); ++bit) {
            if ((bytes[13] >> bit & 1U) != 0) flags.push_back(names[bit]);
        }
        const auto joined = fmt::format("{}", fmt::join(flags, ","));
        set("tcp.flags", joined);
        set("tcp.sequence", std::to_string(be32(bytes, 4)));
        set("tcp.acknowledgement", std::to_string(be32(bytes, 8)));
        result.summary += fmt::format(" [{}] seq {}", joined, be32(bytes, 4));
        const auto length = std::size_t{bytes[12]} / 16 * 4;
        if (length >= 20 && bytes.size() > length) payload(bytes.subspan(length));
    }

    void transport(unsigned protocol, Bytes bytes, const std::string& source,
                   const std::string& destination, bool version6) {
        const auto name = protocol_name(protocol);
        set("ip.protocol", name);
        const auto way = fmt::format("{} > {}", source, destination);
        result.summary = fmt::format("IP protocol {} {}", name, way);
        if (protocol == 1 && !version6) icmp(bytes, way, false);
        if (protocol == 58 && version6) icmp(bytes, way, true);
        if (protocol == 6) tcp(bytes, source, destination);
        if (protocol == 17) udp(bytes, source, destination);
    }

    /// RFC 791
    void ipv4(Bytes bytes) {
        if (bytes.size() < 20 || bytes[0] >> 4U != 4) return;
        const auto length = std::size_t{bytes[0] & 15U} * 4;
        if (length < 20) return;
        set("ip.version", "4");
        const auto source = address(AF_INET, bytes.subspan(12, 4));
        const auto destination = address(AF_INET, bytes.subspan(16, 4));
        set("ip.source", source);
        set("ip.destination", destination);
        set("ip.ttl", std::to_string(bytes[8]));
        set("ip.id", std::to_string(be16(bytes, 4)));
        const unsigned fragment = be16(bytes, 6) & 0x1fffU;
        const bool more = (be16(bytes, 6) & 0x2000U) != 0;
        if (fragment != 0 || more) set("ip.fragment", std::to_string(fragment * 8));
        if (fragment != 0) {  // what follows is the middle of something
            set("ip.protocol", protocol_name(bytes[9]));
            result.summary =
                fmt::format("IP fragment at {} {} > {}", fragment * 8, source, destination);
            if (bytes.size() > length) payload(bytes.subspan(length));
            return;
        }
        transport(bytes[9], bytes.subspan(std::min(length, bytes.size())), source, destination,
                  false);
    }

    /// RFC 8200. Extension headers are not followed: their number is the protocol then.
    void ipv6(Bytes bytes) {
        if (bytes.size() < 40 || bytes[0] >> 4U != 6) return;
        set("ip.version", "6");
        const auto source = address(AF_INET6, bytes.subspan(8, 16));
        const auto destination = address(AF_INET6, bytes.subspan(24, 16));
        set("ip.source", source);
        set("ip.destination", destination);
        transport(bytes[6], bytes.subspan(40), source, destination, true);
    }

    /// 802.1Q: the tag, the ethertype behind it, and what that says
    void vlan(Bytes bytes) {
        if (bytes.size() < 4) return;
        set("vlan.id", std::to_string(be16(bytes, 0) & 0xfffU));
        result.summary = fmt::format("VLAN {}", be16(bytes, 0) & 0xfffU);
        const auto inner = be16(bytes, 2);
        if (inner == ETHERTYPE_IP) ipv4(bytes.subspan(4));
        if (inner == ETHERTYPE_IPV6) ipv6(bytes.subspan(4));
        if (inner == ETHERTYPE_ARP) arp(bytes.subspan(4));
    }

    /// RFC 826, for IPv4 over Ethernet
    void arp(Bytes bytes) {
        result.summary = "ARP";
        if (bytes.size() < 28 || be16(bytes, 2) != ETHERTYPE_IP || bytes[4] != 6) return;
        const auto operation = be16(bytes, 6);
        const auto sender = address(AF_INET, bytes.subspan(14, 4));
        const auto target = address(AF_INET, bytes.subspan(24, 4));
        set("arp.operation", operation == 1   ? "request"
                             : operation == 2 ? "reply"
                                              : std::to_string(operation));
        set("arp.sender", sender);
        set("arp.target", target);
        result.summary = operation == 1 ? fmt::format("ARP who has {}, asks {}", target, sender)
                                        : fmt::format("ARP reply of {} to {}", sender, target);
    }
};

}  // namespace

PacketHeaders decode_headers(std::uint16_t protocol, std::span<const std::uint8_t> bytes) {
    Decoder decoder;
    decoder.set("ethertype", fmt::format("0x{:04x}", protocol));
    decoder.result.summary = fmt::format("ethertype 0x{:04x}", protocol);
    if (protocol == ETHERTYPE_IP) decoder.ipv4(bytes);
    if (protocol == ETHERTYPE_IPV6) decoder.ipv6(bytes);
    if (protocol == ETHERTYPE_ARP) decoder.arp(bytes);
    if (protocol == ETHERTYPE_VLAN) decoder.vlan(bytes);
    return std::move(decoder.result);
}

}  // namespace skbtrail::tracer
