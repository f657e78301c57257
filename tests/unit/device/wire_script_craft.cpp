// What a script can put into a frame beyond the plain layers.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <tins/dot1q.h>
#include <tins/icmpv6.h>
#include <tins/ipv6.h>
#include <tins/tcp.h>
#include <tins/udp.h>

#include "device/net/checksum.h"
#include "device/wire/frame_headers.h"
#include "device/wire/script_frame.h"
#include "device/wire/script_frame_json.h"
#include "tests/unit/device/wire_guest.h"

namespace skbtrail::device {

using Catch::Matchers::ContainsSubstring;
using test::Bytes;

namespace {

const MacAddress guest = MacAddress::parse(test::guest_mac).value();

FrameRecipe recipe(const std::string& json) {
    const auto document = nlohmann::json::parse(json);
    return parse_frame_recipe(JsonNode(document, "test.json"));
}

/// `ethernet` from the gateway, and the layers given.
Bytes craft_layers(const std::string& layers) {
    const auto made = recipe(R"({"ethernet": {"source": "52:55:0a:00:02:02"}, )" + layers + "}");
    Bytes bytes = craft_frame(made, guest);
    CHECK(bytes.size() == std::max<std::size_t>(recipe_size(made), 60));
    return bytes;
}

constexpr std::string_view ipv4_layer =
    R"("ipv4": {"source": "10.0.2.2", "destination": "10.0.2.15"})";
constexpr std::string_view ipv6_layer =
    R"("ipv6": {"source": "fe80::2", "destination": "fe80::15"})";

Tins::EthernetII parsed(const Bytes& bytes) {
    return {reinterpret_cast<const std::uint8_t*>(bytes.data()),
            static_cast<std::uint32_t>(bytes.size())};
}

/// 0xffff over pseudo header and transport when the checksum there is right.
std::uint16_t transport_sum(std::span<const std::byte> frame, std::size_t network,
                            std::size_t transport, std::size_t end, std::uint8_t protocol) {
    const bool six = (std::to_integer<unsigned>(frame[network]) >> 4) == 6;
    const std::size_t length = end - transport;
    const std::array<std::byte, 4> rest{std::byte{0}, std::byte{protocol}, std::byte(length >> 8),
                                        std::byte(length & 0xff)};
    const auto pseudo =
        internet_sum(rest, internet_sum(frame.subspan(network + (six ? 8 : 12), six ? 32 : 8)));
    return internet_sum(frame.subspan(transport, length), pseudo);
}

}  // namespace

TEST_CASE("a script puts VLAN tags before a packet", "[wire][script]") {
    const Bytes one = craft_layers(fmt::format(
        R"("vlan": {{"id": 7, "priority": 3, "drop_eligible": true}}, {},
           "udp": {{"source": 1, "destination": 2}}, "payload": "inside")",
        ipv4_layer));
    CHECK(one[12] == std::byte{0x81});
    CHECK(one[13] == std::byte{0x00});
    CHECK(one[14] == std::byte{0x70});
    CHECK(one[15] == std::byte{0x07});
    CHECK(one[16] == std::byte{0x08});
    CHECK(internet_sum(std::span(one).subspan(18, 20)) == 0xffff);
    const auto words = header_words(one);
    CHECK(words.at("vlan.id") == "7");
    CHECK(words.at("vlan.priority") == "3");
    CHECK(words.at("udp.destination") == "2");
    CHECK(words.at("payload.size") == "6");

    const Bytes two = craft_layers(fmt::format(
        R"("vlan": [{{"id": 100, "type": "802.1ad"}}, {{"id": 7}}], {},
           "icmp": {{"type": "echo-request"}})",
        ipv4_layer));
    CHECK(two[12] == std::byte{0x88});
    CHECK(two[13] == std::byte{0xa8});
    CHECK(two[15] == std::byte{100});
    CHECK(two[16] == std::byte{0x81});
    CHECK(two[19] == std::byte{7});
    CHECK(two[20] == std::byte{0x08});
    CHECK(internet_sum(std::span(two).subspan(22, 20)) == 0xffff);

    // A type of the user's own goes behind the last tag.
    const Bytes own = craft_frame(recipe(R"({
        "ethernet": {"source": "52:55:0a:00:02:02", "type": "0x88b5"},
        "vlan": {"id": 1}, "payload": "hello"})"),
                                  guest);
    CHECK(own[12] == std::byte{0x81});
    CHECK(own[16] == std::byte{0x88});
    CHECK(own[17] == std::byte{0xb5});
    CHECK(own[18] == std::byte{'h'});
}

TEST_CASE("a script makes checksums wrong on purpose", "[wire][script]") {
    struct Case {
        const char* layer;
        const char* more;
        std::size_t place;
        std::uint8_t protocol;
    };
    const auto [layer, more, place, protocol] =
        GENERATE(Case{"udp", R"("source": 1, "destination": 2)", 40, 17},
                 Case{"tcp", R"("source": 1, "destination": 2, "flags": "ACK")", 50, 6},
                 Case{"icmp", R"("type": "echo-request")", 36, 1});
    const auto make = [&](const char* choice) {
        return craft_layers(fmt::format(
            R"({}, "{}": {{{}, "checksum": "{}"}}, "payload": "some bytes, many enough to fill")",
            ipv4_layer, layer, more, choice));
    };
    const Bytes right = make("right");
    const Bytes wrong = make("wrong");
    const Bytes none = make("none");
    const bool pseudo = protocol != 1;
    const auto sum = [&](const Bytes& frame) {
        return pseudo ? transport_sum(frame, 14, 34, frame.size(), protocol)
                      : internet_sum(std::span(frame).subspan(34));
    };
    CHECK(sum(right) == 0xffff);
    CHECK(sum(wrong) != 0xffff);
    CHECK(none[place] == std::byte{0});
    CHECK(none[place + 1] == std::byte{0});
    // Nothing else differs.
    for (std::size_t i = 0; i < right.size(); ++i) {
        if (i != place && i != place + 1) {
            CHECK(right[i] == wrong[i]);
            CHECK(right[i] == none[i]);
        }
    }
    const Bytes ip = craft_layers(R"("ipv4": {"source": "10.0.2.2", "destination": "10.0.2.15",
                                       "protocol": 253, "checksum": "wrong"})");
    CHECK(internet_sum(std::span(ip).subspan(14, 20)) != 0xffff);
}

TEST_CASE("a script sends fragments by hand", "[wire][script]") {
    const Bytes frame = craft_layers(
        R"("ipv4": {"source": "10.0.2.2", "destination": "10.0.2.15", "id": 77, "protocol": 17,
                    "more_fragments": true, "fragment_offset": 185}, "payload": {"size": 64})");
    CHECK(frame[20] == std::byte{0x20});
    CHECK(frame[21] == std::byte{185});
    const auto words = header_words(frame);
    CHECK(words.at("ip.more_fragments") == "true");
    CHECK(words.at("ip.fragment_offset") == "185");
    CHECK(words.at("ip.id") == "77");
    CHECK_FALSE(words.contains("udp.source"));
}

TEST_CASE("a script speaks IPv6 and neighbour discovery", "[wire][script]") {
    const Bytes solicitation = craft_layers(
        R"("ipv6": {"source": "fe80::2", "destination": "ff02::1:ff00:15", "hop_limit": 255},
           "icmpv6": {"type": "neighbor-solicitation", "target": "fe80::15",
                      "link_address": "52:55:0a:00:02:02"})");
    CHECK(solicitation.size() == 14 + 40 + 32);
    CHECK(transport_sum(solicitation, 14, 54, solicitation.size(), 58) == 0xffff);
    const auto packet = parsed(solicitation);
    CHECK(packet.rfind_pdu<Tins::IPv6>().hop_limit() == 255);
    const auto& icmp = packet.rfind_pdu<Tins::ICMPv6>();
    CHECK(icmp.type() == Tins::ICMPv6::NEIGHBOUR_SOLICIT);
    CHECK(icmp.target_addr() == "fe80::15");
    CHECK(icmp.source_link_layer_addr() == "52:55:0a:00:02:02");
    const auto words = header_words(solicitation);
    CHECK(words.at("icmpv6.type") == "neighbor-solicitation");
    CHECK(words.at("icmpv6.target") == "fe80::15");
    CHECK(words.at("ip.ttl") == "255");

    const Bytes advertisement = craft_layers(fmt::format(
        R"({}, "icmpv6": {{"type": "neighbor-advertisement", "target": "fe80::2",
           "link_address": "guest", "router": true, "solicited": true, "override": true}})",
        ipv6_layer));
    const auto answer = parsed(advertisement);
    const auto& said = answer.rfind_pdu<Tins::ICMPv6>();
    CHECK(said.target_link_layer_addr() == test::guest_mac);
    CHECK(said.router() == 1);
    CHECK(said.solicited() == 1);
    CHECK(said.override() == 1);

    const Bytes echo = craft_layers(fmt::format(
        R"({}, "icmpv6": {{"type": "echo-request", "id": 5, "sequence": 6}}, "payload": {{"size": 9}})",
        ipv6_layer));
    CHECK(transport_sum(echo, 14, 54, echo.size(), 58) == 0xffff);
    CHECK(header_words(echo).at("icmpv6.id") == "5");
    CHECK(header_words(echo).at("icmpv6.sequence") == "6");
    CHECK(header_words(echo).at("payload.size") == "9");

    const Bytes tcp = craft_layers(fmt::format(
        R"({}, "tcp": {{"source": 80, "destination": 4000, "flags": "ACK"}}, "payload": "hi")",
        ipv6_layer));
    CHECK(transport_sum(tcp, 14, 54, tcp.size(), 6) == 0xffff);
}

TEST_CASE("a script gives TCP options", "[wire][script]") {
    const Bytes frame = craft_layers(fmt::format(
        R"({}, "tcp": {{"source": 80, "destination": 4000, "flags": "SYN,ACK", "options":
           {{"mss": 1460, "sack_permitted": true, "timestamp": {{"value": 7, "echo": 8}},
             "window_scale": 7}}}})",
        ipv4_layer));
    CHECK(frame.size() == 34 + 40);
    CHECK(transport_sum(frame, 14, 34, frame.size(), 6) == 0xffff);
    const auto packet = parsed(frame);
    const auto& tcp = packet.rfind_pdu<Tins::TCP>();
    CHECK(tcp.mss() == 1460);
    CHECK(tcp.has_sack_permitted());
    CHECK(tcp.timestamp() == std::pair<std::uint32_t, std::uint32_t>(7, 8));
    CHECK(tcp.winscale() == 7);
}

TEST_CASE("a burst goes on where its last frame ended", "[wire][script]") {
    FrameRecipe one = recipe(R"({"ethernet": {"source": "52:55:0a:00:02:02"},
        "ipv4": {"source": "10.0.2.2", "destination": "10.0.2.15", "id": 65535},
        "tcp": {"source": 80, "destination": 4000, "flags": "ACK", "sequence": 4294967000},
        "payload": {"size": 500}})");
    const auto first = header_words(craft_frame(one, guest));
    const auto second = header_words(craft_frame(next_in_burst(one), guest));
    CHECK(first.at("tcp.sequence") == "4294967000");
    CHECK(second.at("tcp.sequence") == "204");
    CHECK(second.at("ip.id") == "0");
}

TEST_CASE("what makes no frame is told with its place", "[wire][script]") {
    struct Case {
        const char* layers;
        const char* sentence;
    };
    const auto [layers, sentence] = GENERATE(
        Case{R"("vlan": {"id": 4096}, "payload": "x")", "at /vlan/id: expected a whole number"},
        Case{R"("vlan": {"id": 1, "type": "802.1x"}, "payload": "x")",
             "expected \"802.1Q\" or \"802.1ad\""},
        Case{R"("icmpv6": {"type": 128})", "expected \"arp\", \"ipv4\", \"ipv6\""},
        Case{R"("ipv6": {"source": "10.0.2.2", "destination": "fe80::1"})",
             "expected an IPv6 address, came \"10.0.2.2\""},
        Case{R"("ipv6": {"source": "fe80::2", "destination": "fe80::1"}, "icmp": {"type": 8})",
             "\"icmp\" needs \"ipv4\" around it"},
        Case{R"("ipv6": {"source": "fe80::2", "destination": "fe80::1"},
                "icmpv6": {"type": "neighbor-solicitation"})",
             "have a \"target\""},
        Case{R"("ipv4": {"source": "10.0.2.2", "destination": "10.0.2.3"},
                "ipv6": {"source": "fe80::2", "destination": "fe80::1"})",
             "a frame carries one of \"arp\", \"ipv4\" and \"ipv6\""},
        Case{R"("ipv4": {"source": "10.0.2.2", "destination": "10.0.2.3", "checksum": "bad"})",
             "expected \"right\", \"wrong\" or \"none\", came \"bad\""});
    CHECK_THROWS_WITH(
        recipe(fmt::format(R"({{"ethernet": {{"source": "52:55:0a:00:02:02"}}, {}}})", layers)),
        ContainsSubstring(sentence));
}

}  // namespace skbtrail::device
