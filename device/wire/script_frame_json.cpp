#include "device/wire/script_frame_json.h"

#include <string_view>

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
    node.check_keys({"source", "destination", "ttl", "tos", "id", "dont_fragment", "protocol"});
    Ipv4Recipe ip;
    ip.source = parse_ipv4(node.require("source", "an IPv4 address"));
    ip.destination = parse_ipv4(node.require("destination", "an IPv4 address"));
    read_number(node, "ttl", ip.ttl);
    read_number(node, "tos", ip.tos);
    read_number(node, "id", ip.id);
    if (const auto dont_fragment = node.find("dont_fragment")) {
        ip.dont_fragment = dont_fragment->boolean();
    }
    if (const auto protocol = node.find("protocol")) {
        ip.protocol = static_cast<std::uint8_t>(protocol->number(0, 255));
    }
    return ip;
}

IcmpRecipe parse_icmp(const JsonNode& node) {
    node.check_keys({"type", "code", "id", "sequence"});
    IcmpRecipe icmp;
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
    node.check_keys({"source", "destination"});
    UdpRecipe udp;
    parse_ports(node, udp);
    return udp;
}

TcpRecipe parse_tcp(const JsonNode& node) {
    node.check_keys({"source", "destination", "flags", "sequence", "acknowledgement", "window"});
    TcpRecipe tcp;
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
    const auto arp = node.find("arp");
    const auto ipv4 = node.find("ipv4");
    if (arp && ipv4) {
        ipv4->fail("a frame carries \"arp\" or \"ipv4\", not both");
    }
    if (arp) {
        frame.network = parse_arp(*arp, frame.ethernet);
        if (const auto payload = node.find("payload")) {
            payload->fail("an \"arp\" frame has no payload");
        }
    } else if (ipv4) {
        frame.network = parse_ipv4_header(*ipv4);
    } else if (!frame.ethernet.type) {
        node.fail("expected \"arp\", \"ipv4\", or \"ethernet\": {\"type\": …} and a payload");
    }
}

void parse_transport(const JsonNode& node, LayeredFrame& frame) {
    for (const std::string_view key : {"icmp", "udp", "tcp"}) {
        const auto part = node.find(key);
        if (!part) {
            continue;
        }
        if (!std::holds_alternative<Ipv4Recipe>(frame.network)) {
            part->fail(fmt::format("\"{}\" needs \"ipv4\" around it", key));
        }
        if (!std::holds_alternative<std::monostate>(frame.transport)) {
            part->fail("a frame carries one of \"icmp\", \"udp\" and \"tcp\"");
        }
        if (key == "icmp") {
            frame.transport = parse_icmp(*part);
        } else if (key == "udp") {
            frame.transport = parse_udp(*part);
        } else {
            frame.transport = parse_tcp(*part);
        }
    }
}

}  // namespace

FrameRecipe parse_frame_recipe(const JsonNode& node) {
    node.check_keys({"raw", "ethernet", "arp", "ipv4", "icmp", "udp", "tcp", "payload"});
    FrameRecipe recipe;
    if (const auto raw = node.find("raw")) {
        node.check_keys({"raw"});
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
