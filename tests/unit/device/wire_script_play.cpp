// Scripts that answer what they see; those of docs/wires.md among them.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <fmt/format.h>
#include <tins/arp.h>
#include <tins/ip_reassembler.h>
#include <tins/tcp.h>
#include <tins/udp.h>

#include "device/wire/frame_headers.h"
#include "device/wire/script.h"
#include "device/wire/script_binding.h"
#include "tests/places.h"
#include "tests/unit/device/script_of.h"
#include "tests/unit/device/wire_guest.h"

namespace skbtrail::device {

using Catch::Matchers::ContainsSubstring;
using test::Bytes;
using test::run_until;
using test::script_of;
using test::WireGuest;

namespace {

/// The scripts that the documentation shows, in its order.
std::vector<std::string> documented_scripts() {
    const std::filesystem::path data(tests::in_source("tests/unit/device/data"));
    std::ifstream file((data / "../../../../docs/wires.md").lexically_normal());
    REQUIRE(file);
    std::vector<std::string> scripts;
    std::string line;
    bool inside = false;
    while (std::getline(file, line)) {
        if (line == "```json") {
            inside = true;
            scripts.emplace_back();
        } else if (line == "```") {
            inside = false;
        } else if (inside) {
            scripts.back() += line + "\n";
        }
    }
    return scripts;
}

HeaderWords words_of(const WireGuest& guest, std::size_t index) {
    return header_words(guest.received().at(index));
}

Tins::EthernetII tcp_from_guest(std::uint32_t flags, std::uint32_t sequence,
                                std::uint32_t acknowledgement, const std::string& text = {}) {
    Tins::TCP tcp(80, 40'123);
    tcp.flags(static_cast<Tins::TCP::Flags>(flags));
    tcp.seq(sequence);
    tcp.ack_seq(acknowledgement);
    auto packet = Tins::EthernetII("52:55:0a:00:02:09", test::guest_mac) /
                  Tins::IP("10.0.2.9", test::guest_ip) / tcp;
    return text.empty() ? packet : packet / Tins::RawPDU(text);
}

}  // namespace

TEST_CASE("the documentation's scripts can be played", "[wire][script]") {
    const auto scripts = documented_scripts();
    CHECK(scripts.size() == 3);
    for (const auto& text : scripts) {
        INFO(text);
        CHECK_NOTHROW(parse_script(text, "docs/wires.md"));
    }
}

TEST_CASE("the documentation's server speaks TCP from handshake to end", "[wire][script]") {
    EventLoop loop;
    ScriptWire wire(parse_script(documented_scripts().at(1), "docs/wires.md"), loop, nullptr, true);
    WireGuest guest(wire);
    constexpr std::uint32_t isn = 0xfffffffe;  // wraps on the way
    guest.send(Tins::ARP::make_arp_request("10.0.2.9", test::guest_ip, test::guest_mac));
    REQUIRE(guest.received().size() == 1);
    CHECK(words_of(guest, 0).at("arp.sender") == "10.0.2.9");
    guest.send(tcp_from_guest(Tins::TCP::SYN, isn, 0));
    REQUIRE(guest.received().size() == 2);
    const auto syn_ack = words_of(guest, 1);
    CHECK(syn_ack.at("tcp.flags") == "SYN,ACK");
    CHECK(syn_ack.at("tcp.destination") == "40123");
    CHECK(syn_ack.at("tcp.sequence") == "1000");
    CHECK(syn_ack.at("tcp.acknowledgement") == "4294967295");
    CHECK(guest.packet(1).rfind_pdu<Tins::TCP>().mss() == 1460);
    guest.send(tcp_from_guest(Tins::TCP::ACK, isn + 1, 1001));
    guest.send(tcp_from_guest(Tins::TCP::ACK | Tins::TCP::PSH, isn + 1, 1001, "GET / please"));
    REQUIRE(guest.received().size() == 2 + 10 + 1);
    for (std::uint32_t i = 0; i < 10; ++i) {
        const auto segment = words_of(guest, 2 + i);
        CHECK(segment.at("tcp.sequence") == std::to_string(1001 + 1000 * i));
        CHECK(segment.at("ip.id") == std::to_string(i));
        CHECK(segment.at("tcp.acknowledgement") == "11");
        CHECK(segment.at("payload.size") == "1000");
    }
    const auto fin = words_of(guest, 12);
    CHECK(fin.at("tcp.flags") == "FIN,ACK");
    CHECK(fin.at("tcp.sequence") == "11001");
    CHECK_FALSE(wire.complaint().empty());
    guest.send(tcp_from_guest(Tins::TCP::FIN | Tins::TCP::ACK, isn + 13, 11'002));
    REQUIRE(guest.received().size() == 14);
    CHECK(words_of(guest, 13).at("tcp.acknowledgement") == "12");
    CHECK(words_of(guest, 13).at("tcp.sequence") == "11002");
    for (const auto& step : wire.report()) {
        INFO(step.name);
        CHECK(step.state == StepState::done);
    }
    CHECK(wire.complaint().empty());
}

TEST_CASE("the documentation's hard cases arrive as they are described", "[wire][script]") {
    EventLoop loop;
    ScriptWire wire(parse_script(documented_scripts().at(2), "docs/wires.md"), loop, nullptr);
    WireGuest guest(wire);
    guest.send(test::echo(Tins::ICMP::ECHO_REPLY, 1, 1));  // the guest's address
    REQUIRE(run_until(loop, [&] { return guest.received().size() == 1 + 3 + 1 + 1; }));
    Tins::IPv4Reassembler reassembler;
    for (std::size_t i = 1; i < 4; ++i) {
        CHECK(guest.received()[i].size() <= 1514);
        auto fragment = guest.packet(i);
        const auto status = reassembler.process(fragment);
        CHECK((status == Tins::IPv4Reassembler::REASSEMBLED) == (i == 3));
        if (i == 3) {
            CHECK(fragment.rfind_pdu<Tins::RawPDU>().payload_size() == 4000);
        }
    }
    CHECK(words_of(guest, 4).at("vlan.id") == "100");
    CHECK(words_of(guest, 5).at("icmpv6.type") == "neighbor-solicitation");
}

TEST_CASE("a step whose value no frame gave is not done, and says so", "[wire][script]") {
    EventLoop loop;
    ScriptWire wire(script_of(R"(
        {"name": "a", "when": {"frame": {"from": "guest"}, "bind": {"port": "udp.source"}},
         "send": {"ethernet": {"source": "52:55:0a:00:02:02"},
                  "ipv4": {"source": "10.0.2.2", "destination": "10.0.2.15"},
                  "udp": {"source": 1, "destination": "$port"}}})"),
                    loop, nullptr, true);
    WireGuest guest(wire);
    guest.send(test::echo(Tins::ICMP::ECHO_REQUEST, 1, 1));  // has no UDP port
    CHECK(guest.received().empty());
    CHECK(wire.report().front().state == StepState::unmet);
    CHECK(wire.complaint() == "script wire.json: 1 of 1 steps not done");
}

TEST_CASE("a value that fits no field is found when it comes", "[wire][script]") {
    EventLoop loop;
    ScriptWire wire(script_of(R"(
        {"name": "a", "when": {"frame": {"from": "guest"}, "bind": {"n": "icmp.id"}},
         "send": {"ethernet": {"source": "52:55:0a:00:02:02"},
                  "ipv4": {"source": "10.0.2.2", "destination": "10.0.2.15"},
                  "icmp": {"type": "echo-request", "id": "$n+64000"}}})"),
                    loop, nullptr);
    WireGuest guest(wire);
    guest.send(test::echo(Tins::ICMP::ECHO_REQUEST, 2000, 1));
    CHECK(guest.received().empty());
    CHECK(wire.report().front().state == StepState::unmet);
}

TEST_CASE("a judging script complains of what was not done, others do not", "[wire][script]") {
    EventLoop loop;
    const std::string step = R"({"name": "a", "expect": {"frame": {"icmp.id": 7},
                                                          "within_ms": 10}})";
    ScriptWire judge(script_of(step), loop, nullptr, true);
    ScriptWire witness(script_of(step), loop, nullptr, false);
    judge.on_receive_ready();
    witness.on_receive_ready();
    run_until(loop, [] { return false; }, std::chrono::milliseconds(40));
    CHECK(judge.report().front().state == StepState::unmet);
    CHECK(judge.complaint() == "script wire.json: 1 of 1 steps not done");
    CHECK(witness.complaint().empty());
}

TEST_CASE("references", "[wire][script]") {
    const Bindings bindings{{"a", "10"}, {"b", "4294967295"}, {"ip", "10.0.2.2"}};
    CHECK(resolve_reference("$a", bindings) == "10");
    CHECK(resolve_reference("$a+1", bindings) == "11");
    CHECK(resolve_reference("$a-11", bindings) == "4294967295");
    CHECK(resolve_reference("$a+$b-$a", bindings) == "4294967295");
    CHECK(resolve_reference("$b+1", bindings) == "0");
    CHECK(resolve_reference("$ip", bindings) == "10.0.2.2");
    CHECK(resolve_reference("$ip+1", bindings) == std::nullopt);
    CHECK(resolve_reference("$c", bindings) == std::nullopt);
    for (const char* const text : {"", "$", "$5", "$a+", "$a++1", "$a*2", "a", "1+$a", "$a b"}) {
        INFO(text);
        CHECK_FALSE(is_reference(text));
    }
    for (const auto word : known_header_words()) {
        INFO(word);
        CHECK(canonical_header_value(word, sample_value(word)) == sample_value(word));
    }
}

TEST_CASE("a script that binds wrongly is told so at its start", "[wire][script]") {
    struct Case {
        const char* steps;
        const char* sentence;
    };
    const auto [steps, sentence] = GENERATE(
        Case{R"({"when": {"frame": {"tcp.source": "$prt"}}, "send": {"raw": "00"}})",
             "at /steps/0/when/frame/tcp.source: nothing was bound to \"prt\" before"},
        Case{R"({"when": {"frame": {}, "bind": {"1x": "tcp.source"}}, "send": {"raw": "00"}})",
             "\"1x\" is no name"},
        Case{R"({"when": {"frame": {}, "bind": {"x": "tcp.sauce"}}, "send": {"raw": "00"}})",
             "no frame has a \"tcp.sauce\"; did you mean \"tcp.source\"?"},
        Case{R"({"when": {"frame": {}, "bind": {"port": "tcp.source"}},
                 "send": {"ethernet": {"source": "$prot"}, "payload": "$x"}})",
             "nothing was bound to \"prot\" before; did you mean \"port\"?"},
        Case{R"({"when": {"frame": {}, "bind": {"port": "tcp.source"}},
                 "send": {"ethernet": {"source": "$port", "type": 2048}}})",
             "at /steps/0/send/ethernet/source: expected a string"},
        Case{R"({"send": {"ethernet": {"source": "52:55:0a:00:02:02", "type": "0x88b5"},
                          "payload": "x", "fragment_mtu": 100}})",
             "only an \"ipv4\" frame without \"vlan\" can be cut"},
        Case{R"({"send": {"raw": "000000000000 000000000000 0000", "repeat": 1025}})",
             "expected a whole number from 1 to 1024"});
    CHECK_THROWS_WITH(script_of(steps), ContainsSubstring(sentence));
}

}  // namespace skbtrail::device
