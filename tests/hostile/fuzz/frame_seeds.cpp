#include <array>
#include <cstdint>
#include <string>

#include "device/net/header.h"
#include "device/wire/script_file.h"
#include "tests/hostile/fuzz/input.h"
#include "tests/hostile/fuzz/seeds.h"

namespace skbtrail::hostile {

namespace {

using namespace skbtrail::device;

const std::string ethernet =
    R"("ethernet": {"source": "52:55:0a:00:02:02", "destination": "52:54:00:12:34:56"})";
const std::string ipv4 = R"(, "ipv4": {"source": "10.0.2.2", "destination": "10.0.2.15"})";

/// A frame as a script describes it.
std::vector<std::byte> frame(const std::string& layers) {
    const Script script = parse_script(
        R"({"format": "skbtrail-script", "version": 1, "steps": [{"send": {)" + layers + "}}]}",
        "seed");
    return craft_frame(script.steps.at(0).send.at(0).recipe, MacAddress{});
}

std::vector<std::byte> seed(const std::vector<std::byte>& frame, const NetHeaderBytes& header = {},
                            std::uint64_t features = ~std::uint64_t{0}) {
    return InputWriter().put(features).put(header).put_bytes(frame).bytes();
}

NetHeaderBytes checksum_at(std::uint8_t start, std::uint8_t offset, std::uint8_t gso = 0,
                           std::uint8_t size = 0) {
    return {std::byte{1},      std::byte{gso}, std::byte{54},    std::byte{0},
            std::byte{size},   std::byte{0},   std::byte{start}, std::byte{0},
            std::byte{offset}, std::byte{0},   std::byte{0},     std::byte{0}};
}

}  // namespace

Seeds frame_seeds() {
    const std::string udp = ethernet + ipv4 + R"(, "udp": {"source": 53, "destination": 4000})";
    const std::string tcp =
        ethernet + ipv4 + R"(, "tcp": {"source": 80, "destination": 4000, "flags": "SYN,ACK"})";
    const std::string raw = R"("raw": "525400123456 52550a000202 )";
    Seeds seeds;
    seeds["arp"] =
        seed(frame(ethernet +
                   R"(, "arp": {"operation": "request", "sender_mac": "52:55:0a:00:02:02",
             "sender": "10.0.2.2", "target_mac": "00:00:00:00:00:00", "target": "10.0.2.15"})"));
    seeds["icmp"] = seed(
        frame(ethernet + ipv4 + R"(, "icmp": {"type": "echo-request"}, "payload": {"size": 56})"));
    seeds["udp"] = seed(frame(udp + R"(, "payload": "a question")"));
    seeds["udp-partial"] = seed(frame(udp + R"(, "payload": "odd")"), checksum_at(34, 6));
    seeds["tcp"] = seed(frame(tcp));
    seeds["tcp-partial"] = seed(frame(tcp + R"(, "payload": {"size": 99})"), checksum_at(34, 16));
    seeds["tcp-segments"] =
        seed(frame(tcp + R"(, "payload": {"size": 1000})"), checksum_at(34, 16, gso_tcp4, 200));
    seeds["ipv6-tcp"] =
        seed(frame(raw + "86dd 60000000 0014 06 40 fe800000000000000000000000000001 "
                         "fe800000000000000000000000000002 0050 0fa0 00000000 00000000 5002 ffff "
                         "0000 0000\""),
             checksum_at(54, 16));
    seeds["ipv6-options"] =
        seed(frame(raw + "86dd 60000000 0018 00 40 fe800000000000000000000000000001 "
                         "fe800000000000000000000000000002 3a00050200000100 8000 0000 0007 0001 "
                         "0001020304050607\""));
    seeds["vlan"] = seed(frame(raw + "8100 0064 0800 4500001c00004000401122cf0a000202"
                                     "0a00020f00350fa000080000\""));
    seeds["vlan-twice"] = seed(frame(raw + "88a8 0064 8100 0065 0806 0001080006040001"
                                           "52550a0002020a0002020000000000000a00020f\""));
    seeds["fragment"] = seed(frame(raw + "0800 4500001c 0007 2003 40112cc60a0002020a00020f "
                                         "0001020304050607\""));
    seeds["not-negotiated"] = seed(frame(tcp), checksum_at(34, 16, gso_tcp6, 1), 0);
    return seeds;
}

}  // namespace skbtrail::hostile
