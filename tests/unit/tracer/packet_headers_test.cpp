#include "tracer/packet_headers.h"

#include <vector>

#include <catch2/catch_test_macros.hpp>

using namespace skbtrail::tracer;

namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes ipv4(std::uint8_t protocol, const Bytes& payload, std::uint16_t fragment = 0) {
    Bytes bytes{0x45,
                0,
                0,
                84,
                0x12,
                0x34,
                static_cast<std::uint8_t>(fragment >> 8U),
                static_cast<std::uint8_t>(fragment),
                64,
                protocol,
                0,
                0,
                10,
                0,
                2,
                15,
                10,
                0,
                2,
                2};
    bytes.insert(bytes.end(), payload.begin(), payload.end());
    return bytes;
}

}  // namespace

TEST_CASE("an echo request") {
    const auto headers = decode_headers(0x0800, ipv4(1, {8, 0, 0xab, 0xcd, 0x01, 0x02, 0, 5}));
    CHECK(headers.summary == "ICMP echo request 10.0.2.15 > 10.0.2.2 id 258 seq 5");
    CHECK(headers.fields.at("ethertype") == "0x0800");
    CHECK(headers.fields.at("ip.version") == "4");
    CHECK(headers.fields.at("ip.protocol") == "icmp");
    CHECK(headers.fields.at("ip.source") == "10.0.2.15");
    CHECK(headers.fields.at("ip.destination") == "10.0.2.2");
    CHECK(headers.fields.at("icmp.type") == "echo-request");
    CHECK(headers.fields.at("icmp.code") == "0");
    CHECK(headers.fields.at("icmp.id") == "258");
    CHECK(headers.fields.at("icmp.sequence") == "5");
}

TEST_CASE("other ICMP messages have no id") {
    const auto headers = decode_headers(0x0800, ipv4(1, {3, 1, 0, 0, 0, 0, 0, 0}));
    CHECK(headers.fields.at("icmp.type") == "destination-unreachable");
    CHECK_FALSE(headers.fields.contains("icmp.id"));
    CHECK(decode_headers(0x0800, ipv4(1, {99, 0, 0, 0})).fields.at("icmp.type") == "99");
}

TEST_CASE("a TCP segment") {
    const auto headers = decode_headers(
        0x0800, ipv4(6, {0x30, 0x39, 0, 80, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x12, 0, 0}));
    CHECK(headers.fields.at("tcp.source") == "12345");
    CHECK(headers.fields.at("tcp.destination") == "80");
    CHECK(headers.fields.at("tcp.flags") == "SYN,ACK");
    CHECK(headers.summary == "TCP 10.0.2.15:12345 > 10.0.2.2:80 [SYN,ACK] seq 1");
}

TEST_CASE("a UDP datagram over IPv6") {
    Bytes bytes{0x60, 0, 0, 0, 0, 8, 17, 64};
    bytes.resize(40);
    bytes[23] = 1;
    bytes[39] = 2;
    bytes.insert(bytes.end(), {0, 53, 0x30, 0x39, 0, 8, 0, 0});
    const auto headers = decode_headers(0x86dd, bytes);
    CHECK(headers.fields.at("ip.version") == "6");
    CHECK(headers.fields.at("ip.source") == "::1");
    CHECK(headers.fields.at("udp.source") == "53");
    CHECK(headers.fields.at("udp.destination") == "12345");
}

TEST_CASE("address resolution") {
    Bytes bytes{0,  1, 8, 0,  6, 4, 0, 1, 1, 2, 3,  4, 5, 6,
                10, 0, 2, 15, 0, 0, 0, 0, 0, 0, 10, 0, 2, 2};
    auto headers = decode_headers(0x0806, bytes);
    CHECK(headers.fields.at("arp.operation") == "request");
    CHECK(headers.fields.at("arp.sender") == "10.0.2.15");
    CHECK(headers.fields.at("arp.target") == "10.0.2.2");
    CHECK(headers.summary == "ARP who has 10.0.2.2, asks 10.0.2.15");
    bytes[7] = 2;
    headers = decode_headers(0x0806, bytes);
    CHECK(headers.fields.at("arp.operation") == "reply");
}

TEST_CASE("behind a VLAN's tag is what it would be without") {
    Bytes bytes{0x20, 7, 0x08, 0};
    const auto inner = ipv4(17, {0, 53, 0x30, 0x39, 0, 9, 0, 0, 0xab});
    bytes.insert(bytes.end(), inner.begin(), inner.end());
    const auto headers = decode_headers(0x8100, bytes);
    CHECK(headers.fields.at("ethertype") == "0x8100");
    CHECK(headers.fields.at("vlan.id") == "7");
    CHECK(headers.fields.at("udp.source") == "53");
    CHECK(headers.fields.at("payload") == "ab");
    CHECK(headers.summary == "UDP 10.0.2.15:53 > 10.0.2.2:12345");
    CHECK(decode_headers(0x8100, Bytes{0x20, 7, 0x88, 0xcc}).summary == "VLAN 7");
}

TEST_CASE("the middle of a datagram has no ports") {
    const auto headers = decode_headers(0x0800, ipv4(17, {0, 53, 0, 53}, 0x00b9));
    CHECK(headers.fields.at("ip.protocol") == "udp");
    CHECK(headers.fields.at("ip.fragment") == "1480");
    CHECK_FALSE(headers.fields.contains("udp.source"));
}

TEST_CASE("bytes cut at any length give what is there") {
    const auto whole = ipv4(6, Bytes(20, 1));
    for (std::size_t length = 0; length <= whole.size(); ++length) {
        const auto headers = decode_headers(0x0800, std::span(whole).first(length));
        CHECK(headers.fields.at("ethertype") == "0x0800");
        CHECK(headers.fields.contains("ip.source") == (length >= 20));
        CHECK(headers.fields.contains("tcp.source") == (length >= 24));
        CHECK(headers.fields.contains("tcp.flags") == (length >= 34));
    }
    auto options = whole;
    options[0] = 0x4f;  // a header of 60 bytes that are not there
    CHECK_FALSE(decode_headers(0x0800, options).fields.contains("tcp.source"));
    options[0] = 0x41;  // a header shorter than a header
    CHECK_FALSE(decode_headers(0x0800, options).fields.contains("ip.source"));
    for (std::size_t length = 0; length <= 40; ++length) {
        CHECK_NOTHROW(decode_headers(0x86dd, Bytes(length, 0x60)));
        CHECK_NOTHROW(decode_headers(0x0806, Bytes(length, 0)));
    }
}

TEST_CASE("a protocol that is not decoded is named by number") {
    CHECK(decode_headers(0x88cc, {}).summary == "ethertype 0x88cc");
}

TEST_CASE("the beginning of what the headers carry") {
    SECTION("behind UDP") {
        const auto headers = decode_headers(
            0x0800, ipv4(17, {0x0f, 0xa0, 0x13, 0x88, 0, 12, 0, 0, 's', 'k', 'b', 't'}));
        CHECK(headers.fields.at("payload") == "736b6274");
    }
    SECTION("no more than sixteen bytes") {
        std::vector<std::uint8_t> datagram{0x0f, 0xa0, 0x13, 0x88, 0, 12, 0, 0};
        datagram.resize(8 + 40, 0xab);
        CHECK(decode_headers(0x0800, ipv4(17, datagram)).fields.at("payload").size() == 32);
    }
    SECTION("none") {
        const auto headers = decode_headers(0x0800, ipv4(17, {0x0f, 0xa0, 0x13, 0x88, 0, 8, 0, 0}));
        CHECK_FALSE(headers.fields.contains("payload"));
    }
    SECTION("behind TCP and its options") {
        std::vector<std::uint8_t> segment(24);
        segment[12] = 6 << 4;
        segment.push_back(0x42);
        CHECK(decode_headers(0x0800, ipv4(6, segment)).fields.at("payload") == "42");
        segment[12] = 0xf0;  // options that are not there
        CHECK_FALSE(decode_headers(0x0800, ipv4(6, segment)).fields.contains("payload"));
    }
}
