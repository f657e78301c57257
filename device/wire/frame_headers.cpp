#include "device/wire/frame_headers.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <tins/arp.h>
#include <tins/dot1q.h>
#include <tins/ethernetII.h>
#include <tins/exceptions.h>
#include <tins/icmp.h>
#include <tins/icmpv6.h>
#include <tins/ip.h>
#include <tins/ipv6.h>
#include <tins/rawpdu.h>
#include <tins/tcp.h>
#include <tins/udp.h>

#include "device/wire/mac_address.h"

namespace skbtrail::device {

namespace {

/// Numbers that have a name.
using Names = std::span<const std::pair<unsigned, std::string_view>>;

constexpr std::array<std::pair<unsigned, std::string_view>, 3> icmp_types{{
    {Tins::ICMP::ECHO_REPLY, "echo-reply"},
    {Tins::ICMP::DEST_UNREACHABLE, "destination-unreachable"},
    {Tins::ICMP::ECHO_REQUEST, "echo-request"},
}};
constexpr std::array<std::pair<unsigned, std::string_view>, 3> ip_protocols{{
    {IPPROTO_ICMP, "icmp"},
    {IPPROTO_TCP, "tcp"},
    {IPPROTO_UDP, "udp"},
}};
constexpr std::array<std::pair<unsigned, std::string_view>, 2> arp_operations{{
    {Tins::ARP::REQUEST, "request"},
    {Tins::ARP::REPLY, "reply"},
}};
constexpr std::array<std::pair<unsigned, std::string_view>, 6> icmpv6_types{{
    {Tins::ICMPv6::ECHO_REQUEST, "echo-request"},
    {Tins::ICMPv6::ECHO_REPLY, "echo-reply"},
    {Tins::ICMPv6::ROUTER_SOLICIT, "router-solicitation"},
    {Tins::ICMPv6::ROUTER_ADVERT, "router-advertisement"},
    {Tins::ICMPv6::NEIGHBOUR_SOLICIT, "neighbor-solicitation"},
    {Tins::ICMPv6::NEIGHBOUR_ADVERT, "neighbor-advertisement"},
}};
/// By bit, from the lowest.
constexpr std::array<std::string_view, 8> tcp_flag_names{"FIN", "SYN", "RST", "PSH",
                                                         "ACK", "URG", "ECE", "CWR"};

std::string name_of(Names names, unsigned number) {
    const auto found = std::ranges::find(names, number, &Names::value_type::first);
    return found != names.end() ? std::string(found->second) : std::to_string(number);
}

std::string tcp_flags_text(unsigned flags) {
    std::string text;
    for (std::size_t bit = 0; bit < tcp_flag_names.size(); ++bit) {
        if ((flags >> bit) & 1) {
            text += fmt::format("{}{}", text.empty() ? "" : ",", tcp_flag_names[bit]);
        }
    }
    return text;
}

std::optional<unsigned> parse_field(std::string_view text, unsigned greatest) {
    const bool hex = text.starts_with("0x");
    if (hex) {
        text.remove_prefix(2);
    }
    unsigned value = 0;
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), value, hex ? 16 : 10);
    if (error != std::errc{} || end != text.data() + text.size() || value > greatest) {
        return std::nullopt;
    }
    return value;
}

std::optional<unsigned> parse_named(Names names, std::string_view text, unsigned greatest) {
    const auto found = std::ranges::find(names, text, &Names::value_type::second);
    return found != names.end() ? std::optional(found->first) : parse_field(text, greatest);
}

std::optional<std::string> canonical_address(int family, std::string_view text) {
    std::array<unsigned char, sizeof(in6_addr)> address{};
    std::array<char, INET6_ADDRSTRLEN> buffer{};
    if (::inet_pton(family, std::string(text).c_str(), address.data()) != 1 ||
        ::inet_ntop(family, address.data(), buffer.data(), buffer.size()) == nullptr) {
        return std::nullopt;
    }
    return buffer.data();
}

/// What kind of value a word has.
struct ValueKind {
    std::string_view expected;
    std::optional<std::string> (*canonical)(std::string_view);
};

template <unsigned greatest>
std::optional<std::string> canonical_number(std::string_view text) {
    const auto number = parse_field(text, greatest);
    return number ? std::optional(std::to_string(*number)) : std::nullopt;
}

template <const auto& names, unsigned greatest>
std::optional<std::string> canonical_named(std::string_view text) {
    const auto number = parse_named(names, text, greatest);
    return number ? std::optional(name_of(names, *number)) : std::nullopt;
}

constexpr ValueKind octet{"a number from 0 to 255", &canonical_number<0xff>};
constexpr ValueKind sixteen_bits{"a number from 0 to 65535", &canonical_number<0xffff>};
constexpr ValueKind thirty_two_bits{"a number from 0 to 4294967295", &canonical_number<0xffffffff>};
constexpr ValueKind twelve_bits{"a number from 0 to 4095", &canonical_number<0xfff>};
constexpr ValueKind three_bits{"a number from 0 to 7", &canonical_number<7>};
constexpr ValueKind thirteen_bits{"a number from 0 to 8191", &canonical_number<0x1fff>};
constexpr ValueKind truth{
    "\"true\" or \"false\"", [](std::string_view text) -> std::optional<std::string> {
        return text == "true" || text == "false" ? std::optional<std::string>(text) : std::nullopt;
    }};
constexpr ValueKind station{"a MAC address",
                            [](std::string_view text) -> std::optional<std::string> {
                                const auto mac = MacAddress::parse(text);
                                return mac ? std::optional(mac->text()) : std::nullopt;
                            }};
constexpr ValueKind ipv6_address{
    "an IPv6 address", [](std::string_view text) { return canonical_address(AF_INET6, text); }};
constexpr ValueKind ipv4_address{
    "an IPv4 address", [](std::string_view text) { return canonical_address(AF_INET, text); }};
constexpr ValueKind ip_address{"an IPv4 or IPv6 address", [](std::string_view text) {
                                   auto address = canonical_address(AF_INET, text);
                                   return address ? address : canonical_address(AF_INET6, text);
                               }};

struct Word {
    std::string_view name;
    ValueKind kind;
};

constexpr std::array words{
    Word{"ethernet.source", station},
    Word{"ethernet.destination", station},
    Word{"vlan.id", twelve_bits},
    Word{"vlan.priority", three_bits},
    Word{"ip.ttl", octet},
    Word{"ip.id", sixteen_bits},
    Word{"ip.fragment_offset", thirteen_bits},
    Word{"ip.more_fragments", truth},
    Word{"tcp.sequence", thirty_two_bits},
    Word{"tcp.acknowledgement", thirty_two_bits},
    Word{"tcp.window", sixteen_bits},
    Word{"icmpv6.type",
         {"\"echo-request\", \"neighbor-solicitation\" or a number from 0 to 255",
          &canonical_named<icmpv6_types, 0xff>}},
    Word{"icmpv6.code", octet},
    Word{"icmpv6.id", sixteen_bits},
    Word{"icmpv6.sequence", sixteen_bits},
    Word{"icmpv6.target", ipv6_address},
    Word{"payload.size", thirty_two_bits},
    Word{"ethertype",
         {"an Ethernet type, for example \"0x0800\"",
          [](std::string_view text) -> std::optional<std::string> {
              const auto number = parse_field(text, 0xffff);
              return number ? std::optional(fmt::format("{:#06x}", *number)) : std::nullopt;
          }}},
    Word{"ip.version",
         {"4 or 6",
          [](std::string_view text) -> std::optional<std::string> {
              return text == "4" || text == "6" ? std::optional<std::string>(text) : std::nullopt;
          }}},
    Word{"ip.source", ip_address},
    Word{"ip.destination", ip_address},
    Word{"ip.protocol",
         {"\"icmp\", \"tcp\", \"udp\" or a number from 0 to 255",
          &canonical_named<ip_protocols, 0xff>}},
    Word{"icmp.type",
         {"\"echo-request\", \"echo-reply\", \"destination-unreachable\" or a number from 0 to 255",
          &canonical_named<icmp_types, 0xff>}},
    Word{"icmp.code", octet},
    Word{"icmp.id", sixteen_bits},
    Word{"icmp.sequence", sixteen_bits},
    Word{"udp.source", sixteen_bits},
    Word{"udp.destination", sixteen_bits},
    Word{"tcp.source", sixteen_bits},
    Word{"tcp.destination", sixteen_bits},
    Word{"tcp.flags",
         {"flags joined by commas, for example \"SYN,ACK\", of FIN SYN RST PSH ACK URG ECE CWR",
          [](std::string_view text) -> std::optional<std::string> {
              const auto flags = parse_tcp_flags(text);
              return flags ? std::optional(tcp_flags_text(*flags)) : std::nullopt;
          }}},
    Word{"arp.operation",
         {"\"request\", \"reply\" or a number from 0 to 65535",
          &canonical_named<arp_operations, 0xffff>}},
    Word{"arp.sender", ipv4_address},
    Word{"arp.target", ipv4_address},
};

constexpr auto word_names = [] {
    std::array<std::string_view, words.size()> names;
    std::ranges::transform(words, names.begin(), &Word::name);
    return names;
}();

const Word* find_word(std::string_view name) {
    const auto found = std::ranges::find(words, name, &Word::name);
    return found == words.end() ? nullptr : &*found;
}

void add_arp(const Tins::ARP& arp, HeaderWords& result) {
    result["arp.operation"] = name_of(arp_operations, arp.opcode());
    result["arp.sender"] = arp.sender_ip_addr().to_string();
    result["arp.target"] = arp.target_ip_addr().to_string();
}

void add_icmpv6(const Tins::ICMPv6& icmp, HeaderWords& result) {
    result["icmpv6.type"] = name_of(icmpv6_types, icmp.type());
    result["icmpv6.code"] = std::to_string(icmp.code());
    if (icmp.type() == Tins::ICMPv6::ECHO_REQUEST || icmp.type() == Tins::ICMPv6::ECHO_REPLY) {
        result["icmpv6.id"] = std::to_string(icmp.identifier());
        result["icmpv6.sequence"] = std::to_string(icmp.sequence());
    } else if (icmp.type() == Tins::ICMPv6::NEIGHBOUR_SOLICIT ||
               icmp.type() == Tins::ICMPv6::NEIGHBOUR_ADVERT) {
        result["icmpv6.target"] =
            canonical_address(AF_INET6, icmp.target_addr().to_string()).value_or("::");
    }
}

void add_transport(const Tins::PDU& packet, HeaderWords& result) {
    if (const auto* icmp = packet.find_pdu<Tins::ICMP>()) {
        result["icmp.type"] = name_of(icmp_types, icmp->type());
        result["icmp.code"] = std::to_string(icmp->code());
        // Other types have other things in these bytes.
        if (icmp->type() == Tins::ICMP::ECHO_REQUEST || icmp->type() == Tins::ICMP::ECHO_REPLY) {
            result["icmp.id"] = std::to_string(icmp->id());
            result["icmp.sequence"] = std::to_string(icmp->sequence());
        }
    } else if (const auto* udp = packet.find_pdu<Tins::UDP>()) {
        result["udp.source"] = std::to_string(udp->sport());
        result["udp.destination"] = std::to_string(udp->dport());
    } else if (const auto* tcp = packet.find_pdu<Tins::TCP>()) {
        result["tcp.source"] = std::to_string(tcp->sport());
        result["tcp.destination"] = std::to_string(tcp->dport());
        result["tcp.flags"] = tcp_flags_text(tcp->flags());
        result["tcp.sequence"] = std::to_string(tcp->seq());
        result["tcp.acknowledgement"] = std::to_string(tcp->ack_seq());
        result["tcp.window"] = std::to_string(tcp->window());
    } else if (const auto* icmp6 = packet.find_pdu<Tins::ICMPv6>()) {
        add_icmpv6(*icmp6, result);
    } else {
        return;  // what is behind IP may be anything
    }
    const auto* payload = packet.find_pdu<Tins::RawPDU>();
    result["payload.size"] = std::to_string(payload != nullptr ? payload->payload_size() : 0);
}

void add_ip(const Tins::PDU& packet, HeaderWords& result) {
    if (const auto* ip = packet.find_pdu<Tins::IP>()) {
        result["ip.version"] = "4";
        result["ip.source"] = ip->src_addr().to_string();
        result["ip.destination"] = ip->dst_addr().to_string();
        result["ip.protocol"] = name_of(ip_protocols, ip->protocol());
        result["ip.ttl"] = std::to_string(ip->ttl());
        result["ip.id"] = std::to_string(ip->id());
        result["ip.fragment_offset"] = std::to_string(ip->fragment_offset());
        result["ip.more_fragments"] =
            (ip->flags() & Tins::IP::MORE_FRAGMENTS) != 0 ? "true" : "false";
    } else if (const auto* ip6 = packet.find_pdu<Tins::IPv6>()) {
        result["ip.version"] = "6";
        result["ip.source"] = ip6->src_addr().to_string();
        result["ip.destination"] = ip6->dst_addr().to_string();
        result["ip.protocol"] = name_of(ip_protocols, ip6->next_header());
        result["ip.ttl"] = std::to_string(ip6->hop_limit());
    }
}

}  // namespace

HeaderWords header_words(std::span<const std::byte> frame) {
    HeaderWords result;
    if (frame.size() < ETHER_HDR_LEN) {
        return result;
    }
    result["ethertype"] = fmt::format("{:#06x}", std::to_integer<unsigned>(frame[12]) << 8 |
                                                     std::to_integer<unsigned>(frame[13]));
    result["ethernet.destination"] = MacAddress::from_bytes(frame).text();
    result["ethernet.source"] = MacAddress::from_bytes(frame.subspan(ETHER_ADDR_LEN)).text();
    try {
        const Tins::EthernetII packet(reinterpret_cast<const std::uint8_t*>(frame.data()),
                                      static_cast<std::uint32_t>(frame.size()));
        if (const auto* tag = packet.find_pdu<Tins::Dot1Q>()) {
            result["vlan.id"] = std::to_string(tag->id());
            result["vlan.priority"] = std::to_string(tag->priority());
        }
        if (const auto* arp = packet.find_pdu<Tins::ARP>()) {
            add_arp(*arp, result);
        } else {
            add_ip(packet, result);
            add_transport(packet, result);
        }
    } catch (const Tins::exception_base&) {  // NOLINT(bugprone-empty-catch)
        // Malformed further in: there are no more words.
    }
    return result;
}

std::span<const std::string_view> known_header_words() {
    return word_names;
}

std::optional<std::string> canonical_header_value(std::string_view word, std::string_view value) {
    const Word* known = find_word(word);
    return known != nullptr ? known->kind.canonical(value) : std::nullopt;
}

std::string_view expected_header_value(std::string_view word) {
    const Word* known = find_word(word);
    return known != nullptr ? known->kind.expected : std::string_view{};
}

std::optional<std::uint8_t> parse_icmp_type(std::string_view text) {
    const auto number = parse_named(icmp_types, text, 0xff);
    return number ? std::optional(static_cast<std::uint8_t>(*number)) : std::nullopt;
}

std::optional<std::uint8_t> parse_icmpv6_type(std::string_view text) {
    const auto number = parse_named(icmpv6_types, text, 0xff);
    return number ? std::optional(static_cast<std::uint8_t>(*number)) : std::nullopt;
}

std::optional<std::uint8_t> parse_tcp_flags(std::string_view text) {
    std::uint8_t flags = 0;
    while (!text.empty()) {
        const auto comma = text.find(',');
        const auto found = std::ranges::find(tcp_flag_names, text.substr(0, comma));
        if (found == tcp_flag_names.end()) {
            return std::nullopt;
        }
        flags = static_cast<std::uint8_t>(flags | 1u << (found - tcp_flag_names.begin()));
        text = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
    }
    return flags;
}

}  // namespace skbtrail::device
