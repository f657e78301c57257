#include "device/wire/script_frame_json.h"

#include <limits>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "device/wire/frame_headers.h"

namespace skbtrail::device {

namespace {

constexpr std::size_t shortest_raw_frame = 14;

template <typename Number>
void read_number(const JsonNode& node, std::string_view key, Number& value) {
    if (const auto found = node.find(key)) {
        value = static_cast<Number>(found->number(0, std::numeric_limits<Number>::max()));
    }
}

ScriptMac parse_mac(const JsonNode& node) {
    const std::string text = node.text();
    if (text == "guest") {
        return GuestMac{};
    }
    const auto mac = MacAddress::parse(text);
    if (!mac) {
        node.fail(fmt::format(
            "expected \"guest\" or a MAC address like \"52:55:0a:00:02:02\", came \"{}\"", text));
    }
    return *mac;
}

std::string parse_ipv4(const JsonNode& node) {
    const std::string text = node.text();
    // arp.sender is a word whose values are IPv4 addresses.
    auto canonical = canonical_header_value("arp.sender", text);
    if (!canonical) {
        node.fail(fmt::format("expected an IPv4 address, came \"{}\"", text));
    }
    return *canonical;
}

/// A value as the header word `word` has it: a name or a number.
std::string parse_word(const JsonNode& node, std::string_view word) {
    const std::string text = node.text_or_number();
    auto canonical = canonical_header_value(word, text);
    if (!canonical) {
        node.fail(fmt::format("expected {}, came \"{}\"", expected_header_value(word), text));
    }
    return *canonical;
}

EthernetRecipe parse_ethernet(const JsonNode& node) {
    node.check_keys({"source", "destination", "type"});
    EthernetRecipe ethernet;
    ethernet.source =
        parse_mac(node.require("source", "the MAC address that the frame comes from"));
    if (const auto destination = node.find("destination")) {
        ethernet.destination = parse_mac(*destination);
    }
    if (const auto type = node.find("type")) {
        ethernet.type =
            static_cast<std::uint16_t>(std::stoul(parse_word(*type, "ethertype"), nullptr, 16));
    }
    return ethernet;
}

std::string parse_ipv6(const JsonNode& node) {
    const std::string text = node.text();
    auto canonical = canonical_header_value("icmpv6.target", text);
    if (!canonical) {
        node.fail(fmt::format("expected an IPv6 address, came \"{}\"", text));
    }
    return *canonical;
}

void read_flag(const JsonNode& node, std::string_view key, bool& value) {
    if (const auto found = node.find(key)) {
        value = found->boolean();
    }
}

void read_bounded(const JsonNode& node, std::string_view key, std::uint64_t greatest, auto& value) {
    if (const auto found = node.find(key)) {
        value = static_cast<std::remove_reference_t<decltype(value)>>(found->number(0, greatest));
    }
}

ChecksumChoice parse_checksum(const JsonNode& layer) {
    const auto node = layer.find("checksum");
    if (!node) {
        return ChecksumChoice::right;
    }
    const std::string text = node->text();
    if (text == "wrong") {
        return ChecksumChoice::wrong;
    }
    if (text != "none" && text != "right") {
        node->fail(fmt::format("expected \"right\", \"wrong\" or \"none\", came \"{}\"", text));
    }
    return text == "none" ? ChecksumChoice::none : ChecksumChoice::right;
}

VlanRecipe parse_vlan(const JsonNode& node) {
    node.check_keys({"id", "priority", "drop_eligible", "type"});
    VlanRecipe vlan;
    vlan.id = static_cast<std::uint16_t>(node.require("id", "0 to 4095").number(0, 4095));
    read_bounded(node, "priority", 7, vlan.priority);
    read_flag(node, "drop_eligible", vlan.drop_eligible);
    if (const auto type = node.find("type")) {
        const std::string text = type->text();
        if (text != "802.1Q" && text != "802.1ad") {
            type->fail(fmt::format("expected \"802.1Q\" or \"802.1ad\", came \"{}\"", text));
        }
        vlan.service = text == "802.1ad";
    }
    return vlan;
}

ArpRecipe parse_arp(const JsonNode& node, const EthernetRecipe& ethernet) {
    node.check_keys({"operation", "sender_mac", "sender", "target_mac", "target"});
    ArpRecipe arp;
    const auto operation =
        parse_word(node.require("operation", "\"request\" or \"reply\""), "arp.operation");
    arp.operation = operation == "request" ? 1
                    : operation == "reply" ? 2
                                           : static_cast<std::uint16_t>(std::stoul(operation));
    arp.sender = parse_ipv4(node.require("sender", "the sender's IPv4 address"));
    arp.target = parse_ipv4(node.require("target", "the target's IPv4 address"));
    const auto sender_mac = node.find("sender_mac");
    arp.sender_mac = sender_mac ? parse_mac(*sender_mac) : ethernet.source;
    // A request asks for it: zeroes stand for "unknown".
    const auto target_mac = node.find("target_mac");
    arp.target_mac = target_mac           ? parse_mac(*target_mac)
                     : arp.operation == 1 ? ScriptMac(MacAddress{})
                                          : ethernet.destination;
    return arp;
}

Ipv4Recipe parse_ipv4_header(const JsonNode& node) {
    node.check_keys({"source", "destination", "ttl", "tos", "id", "dont_fragment", "more_fragments",
                     "fragment_offset", "protocol", "checksum"});
    Ipv4Recipe ip;
    ip.source = parse_ipv4(node.require("source", "an IPv4 address"));
    ip.destination = parse_ipv4(node.require("destination", "an IPv4 address"));
    read_number(node, "ttl", ip.ttl);
    read_number(node, "tos", ip.tos);
    read_number(node, "id", ip.id);
    read_flag(node, "dont_fragment", ip.dont_fragment);
    read_flag(node, "more_fragments", ip.more_fragments);
    read_bounded(node, "fragment_offset", 0x1fff, ip.fragment_offset);
    ip.checksum = parse_checksum(node);
    if (const auto protocol = node.find("protocol")) {
        ip.protocol = static_cast<std::uint8_t>(protocol->number(0, 255));
    }
    return ip;
}

Ipv6Recipe parse_ipv6_header(const JsonNode& node) {
    node.check_keys(
        {"source", "destination", "hop_limit", "traffic_class", "flow_label", "next_header"});
    Ipv6Recipe ip;
    ip.source = parse_ipv6(node.require("source", "an IPv6 address"));
    ip.destination = parse_ipv6(node.require("destination", "an IPv6 address"));
    read_number(node, "hop_limit", ip.hop_limit);
    read_number(node, "traffic_class", ip.traffic_class);
    read_bounded(node, "flow_label", 0xfffff, ip.flow_label);
    if (const auto next = node.find("next_header")) {
        ip.next_header = static_cast<std::uint8_t>(next->number(0, 255));
    }
    return ip;
}

Icmpv6Recipe parse_icmpv6(const JsonNode& node) {
    node.check_keys({"type", "code", "id", "sequence", "target", "link_address", "router",
                     "solicited", "override", "checksum"});
    Icmpv6Recipe icmp;
    const auto type = node.require("type", "for example \"neighbor-solicitation\"");
    icmp.type = parse_icmpv6_type(parse_word(type, "icmpv6.type")).value_or(0);
    read_number(node, "code", icmp.code);
    read_number(node, "id", icmp.id);
    read_number(node, "sequence", icmp.sequence);
    constexpr std::uint8_t solicitation = 135;
    constexpr std::uint8_t advertisement = 136;
    const auto target = node.find("target");
    if (target.has_value() != (icmp.type == solicitation || icmp.type == advertisement)) {
        node.fail(
            "a neighbor-solicitation and a neighbor-advertisement have a \"target\", and "
            "nothing else has");
    }
    if (target) {
        icmp.target = parse_ipv6(*target);
    }
    if (const auto address = node.find("link_address")) {
        icmp.link_address = parse_mac(*address);
    }
    read_flag(node, "router", icmp.router);
    read_flag(node, "solicited", icmp.solicited);
    read_flag(node, "override", icmp.override);
    icmp.checksum = parse_checksum(node);
    return icmp;
}

IcmpRecipe parse_icmp(const JsonNode& node) {
    node.check_keys({"type", "code", "id", "sequence", "checksum"});
    IcmpRecipe icmp;
    icmp.checksum = parse_checksum(node);
    const auto type = node.require("type", "for example \"echo-request\"");
    icmp.type = parse_icmp_type(parse_word(type, "icmp.type")).value_or(0);
    read_number(node, "code", icmp.code);
    read_number(node, "id", icmp.id);
    read_number(node, "sequence", icmp.sequence);
    return icmp;
}

/// Both ports of UDP or TCP.
template <typename Recipe>
void parse_ports(const JsonNode& node, Recipe& recipe) {
    recipe.source = static_cast<std::uint16_t>(node.require("source", "a port").number(0, 0xffff));
    recipe.destination =
        static_cast<std::uint16_t>(node.require("destination", "a port").number(0, 0xffff));
}

UdpRecipe parse_udp(const JsonNode& node) {
    node.check_keys({"source", "destination", "checksum"});
    UdpRecipe udp;
    udp.checksum = parse_checksum(node);
    parse_ports(node, udp);
    return udp;
}

void parse_tcp_options(const JsonNode& node, TcpRecipe& tcp) {
    node.check_keys({"mss", "sack_permitted", "timestamp", "window_scale"});
    if (const auto mss = node.find("mss")) {
        tcp.mss = static_cast<std::uint16_t>(mss->number(0, 0xffff));
    }
    read_flag(node, "sack_permitted", tcp.sack_permitted);
    if (const auto stamp = node.find("timestamp")) {
        stamp->check_keys({"value", "echo"});
        std::pair<std::uint32_t, std::uint32_t> values{0, 0};
        read_number(*stamp, "value", values.first);
        read_number(*stamp, "echo", values.second);
        tcp.timestamp = values;
    }
    if (const auto scale = node.find("window_scale")) {
        tcp.window_scale = static_cast<std::uint8_t>(scale->number(0, 255));
    }
}

TcpRecipe parse_tcp(const JsonNode& node) {
    node.check_keys({"source", "destination", "flags", "sequence", "acknowledgement", "window",
                     "options", "checksum"});
    TcpRecipe tcp;
    tcp.checksum = parse_checksum(node);
    if (const auto options = node.find("options")) {
        parse_tcp_options(*options, tcp);
    }
    parse_ports(node, tcp);
    const auto flags = node.require("flags", "for example \"SYN,ACK\"");
    tcp.flags = parse_tcp_flags(parse_word(flags, "tcp.flags")).value_or(0);
    read_number(node, "sequence", tcp.sequence);
    read_number(node, "acknowledgement", tcp.acknowledgement);
    read_number(node, "window", tcp.window);
    return tcp;
}

std::vector<std::byte> text_bytes(const std::string& text) {
    const auto bytes = std::as_bytes(std::span(text));
    return {bytes.begin(), bytes.end()};
}

Payload parse_payload(const JsonNode& node) {
    if (node.is_text()) {
        return text_bytes(node.text());
    }
    node.check_keys({"text", "hex", "size"});
    if (node.members().size() != 1) {
        node.fail("expected one of \"text\", \"hex\" and \"size\"");
    }
    if (const auto text = node.find("text")) {
        return text_bytes(text->text());
    }
    if (const auto hex = node.find("hex")) {
        return hex->hex_bytes();
    }
    return CountingPayload{static_cast<std::size_t>(
        node.require("size", "a number of bytes").number(0, longest_script_frame))};
}

RawFrame parse_raw(const JsonNode& node) {
    RawFrame frame{node.hex_bytes()};
    if (frame.bytes.size() < shortest_raw_frame) {
        node.fail(fmt::format("{} bytes are too few: an Ethernet header has {}", frame.bytes.size(),
                              shortest_raw_frame));
    }
    return frame;
}

void parse_network(const JsonNode& node, LayeredFrame& frame) {
    if (const auto vlan = node.find("vlan")) {
        constexpr std::size_t most_tags = 8;
        for (const auto& tag : vlan->is_array() ? vlan->elements(most_tags) : std::vector{*vlan}) {
            frame.vlans.push_back(parse_vlan(tag));
        }
    }
    const auto arp = node.find("arp");
    const auto ipv4 = node.find("ipv4");
    const auto ipv6 = node.find("ipv6");
    if ((arp && ipv4) || (arp && ipv6) || (ipv4 && ipv6)) {
        if (const auto& second = ipv6 ? ipv6 : ipv4) {
            second->fail("a frame carries one of \"arp\", \"ipv4\" and \"ipv6\"");
        }
    }
    if (arp) {
        frame.network = parse_arp(*arp, frame.ethernet);
        if (const auto payload = node.find("payload")) {
            payload->fail("an \"arp\" frame has no payload");
        }
    } else if (ipv4) {
        frame.network = parse_ipv4_header(*ipv4);
    } else if (ipv6) {
        frame.network = parse_ipv6_header(*ipv6);
    } else if (!frame.ethernet.type) {
        node.fail(
            "expected \"arp\", \"ipv4\", \"ipv6\", or \"ethernet\": {\"type\": …} and a "
            "payload");
    }
}

void parse_transport(const JsonNode& node, LayeredFrame& frame) {
    for (const std::string_view key : {"icmp", "udp", "tcp", "icmpv6"}) {
        const auto part = node.find(key);
        if (!part) {
            continue;
        }
        const bool over4 = std::holds_alternative<Ipv4Recipe>(frame.network);
        const bool over6 = std::holds_alternative<Ipv6Recipe>(frame.network);
        if (key == "icmp" ? !over4 : key == "icmpv6" ? !over6 : !over4 && !over6) {
            part->fail(fmt::format("\"{}\" needs {} around it", key,
                                   key == "icmp"     ? "\"ipv4\""
                                   : key == "icmpv6" ? "\"ipv6\""
                                                     : "\"ipv4\" or \"ipv6\""));
        }
        if (!std::holds_alternative<std::monostate>(frame.transport)) {
            part->fail("a frame carries one of \"icmp\", \"icmpv6\", \"udp\" and \"tcp\"");
        }
        if (key == "icmp") {
            frame.transport = parse_icmp(*part);
        } else if (key == "udp") {
            frame.transport = parse_udp(*part);
        } else if (key == "tcp") {
            frame.transport = parse_tcp(*part);
        } else {
            frame.transport = parse_icmpv6(*part);
        }
    }
}

}  // namespace

FrameRecipe parse_frame_recipe(const JsonNode& node) {
    node.check_keys({"raw", "ethernet", "vlan", "arp", "ipv4", "ipv6", "icmp", "icmpv6", "udp",
                     "tcp", "payload", "repeat", "fragment_mtu"});
    FrameRecipe recipe;
    if (const auto raw = node.find("raw")) {
        node.check_keys({"raw", "repeat"});
        recipe = parse_raw(*raw);
    } else {
        LayeredFrame frame;
        frame.ethernet = parse_ethernet(node.require("ethernet", "{\"source\": MAC, …}"));
        parse_network(node, frame);
        parse_transport(node, frame);
        if (const auto payload = node.find("payload")) {
            frame.payload = parse_payload(*payload);
        }
        recipe = std::move(frame);
    }
    if (recipe_size(recipe) > longest_script_frame) {
        node.fail(fmt::format("the frame would have {} bytes; at most {} fit", recipe_size(recipe),
                              longest_script_frame));
    }
    return recipe;
}

}  // namespace skbtrail::device
