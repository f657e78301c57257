// A frame's headers as words, and frames from their descriptions.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <tins/arp.h>
#include <tins/dot1q.h>
#include <tins/icmp.h>
#include <tins/ipv6.h>
#include <tins/tcp.h>
#include <tins/udp.h>

#include "device/wire/frame_headers.h"
#include "device/wire/mac_address.h"
#include "device/wire/script_frame_json.h"
#include "tests/unit/device/wire_guest.h"

namespace skbtrail::device {

using Catch::Matchers::ContainsSubstring;
using test::Bytes;
using test::gateway_ip;
using test::gateway_mac;
using test::guest_ip;
using test::guest_mac;

namespace {

HeaderWords words_of(Tins::PDU&& packet) {
    return header_words(test::to_bytes(packet));
}

Bytes craft(const std::string& json) {
    const auto document = nlohmann::json::parse(json);
    const std::string file = "test.json";
    return craft_frame(parse_frame_recipe(JsonNode(document, file)),
                       MacAddress::parse(guest_mac).value());
}

/// The Internet checksum over `bytes`: 0 when it is right.
std::uint16_t internet_checksum(std::span<const std::byte> bytes, std::uint32_t sum = 0) {
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        sum += std::to_integer<std::uint32_t>(bytes[i]) << (i % 2 == 0 ? 8 : 0);
    }
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return static_cast<std::uint16_t>(~sum);
}

}  // namespace

TEST_CASE("MAC addresses are read strictly", "[wire]") {
    CHECK(MacAddress::parse("52:55:0a:00:02:02").value().text() == "52:55:0a:00:02:02");
    CHECK(MacAddress::parse("FF:ff:Ff:fF:FF:FF").value().is_group());
    CHECK_FALSE(MacAddress::parse("52:55:0a:00:02:02").value().is_group());
    for (const char* wrong : {"", "52:55:0a:00:02", "52:55:0a:00:02:0", "52:55:0a:00:02:02:",
                              "52-55-0a-00-02-02", "5:555:0a:00:02:02", "gg:55:0a:00:02:02",
                              " 2:55:0a:00:02:02", "+2:55:0a:00:02:02", "0x:55:0a:00:02:02"}) {
        CAPTURE(wrong);
        CHECK_FALSE(MacAddress::parse(wrong));
    }
}

TEST_CASE("an echo's headers as words", "[wire]") {
    CHECK(words_of(test::echo(Tins::ICMP::ECHO_REQUEST, 7, 3)) ==
          HeaderWords{{"ethernet.source", guest_mac},
                      {"ethernet.destination", gateway_mac},
                      {"ethertype", "0x0800"},
                      {"ip.version", "4"},
                      {"ip.ttl", "128"},
                      {"ip.id", "1"},
                      {"ip.fragment_offset", "0"},
                      {"ip.more_fragments", "false"},
                      {"ip.source", guest_ip},
                      {"ip.destination", gateway_ip},
                      {"ip.protocol", "icmp"},
                      {"icmp.type", "echo-request"},
                      {"icmp.code", "0"},
                      {"icmp.id", "7"},
                      {"icmp.sequence", "3"},
                      {"payload.size", "8"}});
    CHECK(words_of(test::echo(Tins::ICMP::ECHO_REPLY, 7, 3)).at("icmp.type") == "echo-reply");
}

TEST_CASE("ARP, UDP, TCP and IPv6 as words", "[wire]") {
    const auto arp = words_of(Tins::ARP::make_arp_request(gateway_ip, guest_ip, guest_mac));
    CHECK(arp == HeaderWords{{"ethernet.source", guest_mac},
                             {"ethernet.destination", "ff:ff:ff:ff:ff:ff"},
                             {"ethertype", "0x0806"},
                             {"arp.operation", "request"},
                             {"arp.sender", guest_ip},
                             {"arp.target", gateway_ip}});

    const auto udp = words_of(Tins::EthernetII(gateway_mac, guest_mac) /
                              Tins::IP(gateway_ip, guest_ip) / Tins::UDP(53, 4000));
    CHECK(udp.at("ip.protocol") == "udp");
    CHECK(udp.at("udp.source") == "4000");
    CHECK(udp.at("udp.destination") == "53");

    Tins::TCP tcp(80, 4000);
    tcp.flags(Tins::TCP::SYN | Tins::TCP::ACK);
    const auto words =
        words_of(Tins::EthernetII(gateway_mac, guest_mac) / Tins::IP(gateway_ip, guest_ip) / tcp);
    CHECK(words.at("ip.protocol") == "tcp");
    CHECK(words.at("tcp.flags") == "SYN,ACK");
    CHECK(words.at("tcp.destination") == "80");

    const auto six = words_of(Tins::EthernetII(gateway_mac, guest_mac) /
                              Tins::IPv6("fec0::2", "fec0::15") / Tins::UDP(53, 4000));
    CHECK(six.at("ethertype") == "0x86dd");
    CHECK(six.at("ip.version") == "6");
    CHECK(six.at("ip.source") == "fec0::15");
    CHECK(six.at("udp.destination") == "53");
}

TEST_CASE("a tagged frame is read behind its tag", "[wire]") {
    const auto words =
        words_of(Tins::EthernetII(gateway_mac, guest_mac) / Tins::Dot1Q(5) /
                 Tins::IP(gateway_ip, guest_ip) / Tins::ICMP(Tins::ICMP::ECHO_REQUEST));
    CHECK(words.at("ethertype") == "0x8100");
    CHECK(words.at("icmp.type") == "echo-request");
}

TEST_CASE("a frame cut at any byte has the words up to there", "[wire]") {
    auto packet = test::echo(Tins::ICMP::ECHO_REQUEST, 7, 3);
    const Bytes whole = test::to_bytes(packet);
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const auto words = header_words(std::span(whole).first(size));
        CHECK(words.contains("ethertype") == (size >= 14));
        if (size < 34) {
            CHECK_FALSE(words.contains("icmp.type"));
        }
    }
}

TEST_CASE("values of words are brought into one form", "[wire]") {
    struct Case {
        const char* word;
        const char* given;
        const char* canonical;
    };
    const auto [word, given, canonical] = GENERATE(
        Case{"icmp.type", "8", "echo-request"}, Case{"icmp.type", "echo-reply", "echo-reply"},
        Case{"icmp.type", "11", "11"}, Case{"ethertype", "0x800", "0x0800"},
        Case{"ethertype", "2054", "0x0806"}, Case{"ip.protocol", "1", "icmp"},
        Case{"ip.protocol", "253", "253"}, Case{"tcp.flags", "ACK,SYN", "SYN,ACK"},
        Case{"tcp.flags", "", ""}, Case{"arp.operation", "2", "reply"},
        Case{"ip.source", "FE80::0:1", "fe80::1"}, Case{"udp.source", "0053", "53"});
    CAPTURE(word, given);
    CHECK(canonical_header_value(word, given) == canonical);
}

TEST_CASE("values that no frame can have are refused", "[wire]") {
    struct Case {
        const char* word;
        const char* given;
    };
    const auto [word, given] = GENERATE(
        Case{"icmp.type", "echo"}, Case{"icmp.type", "256"}, Case{"icmp.code", "-1"},
        Case{"ethertype", "0x10000"}, Case{"ethertype", "ipv4"}, Case{"ip.version", "5"},
        Case{"ip.source", "10.0.2"}, Case{"ip.source", "10.0.2.256"}, Case{"udp.source", "65536"},
        Case{"udp.source", ""}, Case{"udp.source", "5 "}, Case{"tcp.flags", "SYN ACK"},
        Case{"tcp.flags", "SIN"}, Case{"arp.sender", "fe80::1"}, Case{"arp.operation", "ask"},
        Case{"unheard.of", "1"});
    CAPTURE(word, given);
    CHECK_FALSE(canonical_header_value(word, given));
}

TEST_CASE("an echo request is crafted to the byte", "[wire]") {
    const Bytes frame = craft(R"({
        "ethernet": {"source": "52:55:0a:00:02:02", "destination": "guest"},
        "ipv4": {"source": "10.0.2.2", "destination": "10.0.2.15", "ttl": 63, "id": 258,
                 "dont_fragment": true, "tos": 16},
        "icmp": {"type": "echo-request", "id": 7, "sequence": 1},
        "payload": {"size": 56}})");
    REQUIRE(frame.size() == 14 + 20 + 8 + 56);
    const Tins::EthernetII packet(reinterpret_cast<const std::uint8_t*>(frame.data()),
                                  static_cast<std::uint32_t>(frame.size()));
    CHECK(packet.dst_addr() == guest_mac);
    CHECK(packet.src_addr() == gateway_mac);
    const auto& ip = packet.rfind_pdu<Tins::IP>();
    CHECK(ip.ttl() == 63);
    CHECK(ip.id() == 258);
    CHECK(ip.tos() == 16);
    CHECK(ip.flags() == Tins::IP::DONT_FRAGMENT);
    CHECK(ip.tot_len() == 84);
    CHECK(internet_checksum(std::span(frame).subspan(14, 20)) == 0);
    CHECK(internet_checksum(std::span(frame).subspan(34)) == 0);
    for (std::size_t i = 0; i < 56; ++i) {
        CHECK(frame[42 + i] == std::byte(i));
    }
    CHECK(header_words(frame).at("icmp.id") == "7");
}

TEST_CASE("UDP and TCP are crafted with right checksums", "[wire]") {
    const Bytes udp = craft(R"({
        "ethernet": {"source": "52:55:0a:00:02:02"},
        "ipv4": {"source": "10.0.2.2", "destination": "10.0.2.15"},
        "udp": {"source": 53, "destination": 4000}, "payload": "an answer of some length"})");
    const auto pseudo = [](std::uint32_t protocol, std::size_t length) {
        return 0x0a00u + 0x0202u + 0x0a00u + 0x020fu + protocol +
               static_cast<std::uint32_t>(length);
    };
    CHECK(internet_checksum(std::span(udp).subspan(34), pseudo(17, udp.size() - 34)) == 0);
    CHECK(header_words(udp).at("udp.source") == "53");

    const Bytes tcp = craft(R"({
        "ethernet": {"source": "52:55:0a:00:02:02"},
        "ipv4": {"source": "10.0.2.2", "destination": "10.0.2.15"},
        "tcp": {"source": 80, "destination": 4000, "flags": "ACK,PSH", "sequence": 4294967295,
                "acknowledgement": 12, "window": 100}, "payload": {"hex": "de ad be ef 00 11 22"}})");
    CHECK(internet_checksum(std::span(tcp).subspan(34), pseudo(6, tcp.size() - 34)) == 0);
    const Tins::EthernetII packet(reinterpret_cast<const std::uint8_t*>(tcp.data()),
                                  static_cast<std::uint32_t>(tcp.size()));
    const auto& header = packet.rfind_pdu<Tins::TCP>();
    CHECK(header.seq() == 4294967295);
    CHECK(header.ack_seq() == 12);
    CHECK(header.window() == 100);
    CHECK(header_words(tcp).at("tcp.flags") == "PSH,ACK");
}

TEST_CASE("ARP is crafted, and padded to Ethernet's minimum", "[wire]") {
    const Bytes request = craft(R"({
        "ethernet": {"source": "52:55:0a:00:02:02", "destination": "ff:ff:ff:ff:ff:ff"},
        "arp": {"operation": "request", "sender": "10.0.2.2", "target": "10.0.2.15"}})");
    CHECK(request.size() == 60);
    const Tins::EthernetII packet(reinterpret_cast<const std::uint8_t*>(request.data()),
                                  static_cast<std::uint32_t>(request.size()));
    const auto& arp = packet.rfind_pdu<Tins::ARP>();
    CHECK(arp.opcode() == Tins::ARP::REQUEST);
    CHECK(arp.sender_hw_addr() == gateway_mac);
    CHECK(arp.sender_ip_addr() == gateway_ip);
    CHECK(arp.target_hw_addr() == "00:00:00:00:00:00");
    CHECK(arp.target_ip_addr() == guest_ip);

    const Bytes reply = craft(R"({
        "ethernet": {"source": "52:55:0a:00:02:02"},
        "arp": {"operation": "reply", "sender": "10.0.2.2", "target": "10.0.2.15"}})");
    const Tins::EthernetII answer(reinterpret_cast<const std::uint8_t*>(reply.data()),
                                  static_cast<std::uint32_t>(reply.size()));
    CHECK(answer.rfind_pdu<Tins::ARP>().target_hw_addr() == guest_mac);
}

TEST_CASE("raw frames and other protocols go out as they are", "[wire]") {
    CHECK(craft(R"({"raw": "52550a000202 020000000015 88b5"})").size() == 14);
    const Bytes experimental = craft(R"({
        "ethernet": {"source": "52:55:0a:00:02:02", "type": "0x88b5"}, "payload": "hi"})");
    CHECK(header_words(experimental).at("ethertype") == "0x88b5");
    CHECK(experimental.at(14) == std::byte{'h'});
    CHECK(experimental.size() == 60);
    const Bytes protocol = craft(R"({
        "ethernet": {"source": "52:55:0a:00:02:02"},
        "ipv4": {"source": "10.0.2.2", "destination": "10.0.2.15", "protocol": 253},
        "payload": "hi"})");
    CHECK(header_words(protocol).at("ip.protocol") == "253");
    CHECK(internet_checksum(std::span(protocol).subspan(14, 20)) == 0);
    CHECK(protocol.at(34) == std::byte{'h'});
}

TEST_CASE("the largest frame can be crafted", "[wire]") {
    const Bytes frame = craft(R"({
        "ethernet": {"source": "52:55:0a:00:02:02"},
        "ipv4": {"source": "10.0.2.2", "destination": "10.0.2.15"},
        "udp": {"source": 1, "destination": 2}, "payload": {"size": 65507}})");
    CHECK(frame.size() == longest_script_frame);
    CHECK_THROWS_WITH(craft(R"({
        "ethernet": {"source": "52:55:0a:00:02:02"},
        "ipv4": {"source": "10.0.2.2", "destination": "10.0.2.15"},
        "udp": {"source": 1, "destination": 2}, "payload": {"size": 65508}})"),
                      ContainsSubstring("the frame would have 65550 bytes; at most 65549 fit"));
}

}  // namespace skbtrail::device
