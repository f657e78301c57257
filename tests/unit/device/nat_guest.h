// What a guest says to the nat wire, and the host's end of it.
#pragma once

#include <cstdint>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <netinet/in.h>
#include <sys/socket.h>
#include <tins/arp.h>
#include <tins/tcp.h>
#include <tins/udp.h>

#include "device/unique_fd.h"
#include "tests/unit/device/wire_guest.h"

namespace skbtrail::device::test {

inline Tins::EthernetII arp_request(const std::string& target = gateway_ip) {
    return Tins::ARP::make_arp_request(target, guest_ip, guest_mac);
}

/// A socket of the host on 127.0.0.1, at a port of the kernel's choice (0) or this one.
struct HostSocket {
    UniqueFd fd;
    std::uint16_t port = 0;

    explicit HostSocket(int type, std::uint16_t wanted = 0)
        : fd(::socket(AF_INET, type | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address.sin_port = htons(wanted);
        REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
        socklen_t size = sizeof address;
        REQUIRE(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
        port = ntohs(address.sin_port);
    }
    sockaddr_in address() const {
        sockaddr_in result{};
        result.sin_family = AF_INET;
        result.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        result.sin_port = htons(port);
        return result;
    }
};

inline Tins::EthernetII udp_to(const std::string& ip, std::uint16_t port, const std::string& text) {
    return Tins::EthernetII(gateway_mac, guest_mac) / Tins::IP(ip, guest_ip) /
           Tins::UDP(port, 4000) / Tins::RawPDU(text);
}

inline Tins::EthernetII tcp_to(std::uint16_t port, Tins::TCP::Flags flags, std::uint32_t sequence,
                               std::uint32_t acknowledgement, const std::string& text = {}) {
    Tins::TCP tcp(port, 4000);
    tcp.flags(flags);
    tcp.seq(sequence);
    tcp.ack_seq(acknowledgement);
    auto packet = Tins::EthernetII(gateway_mac, guest_mac) / Tins::IP(gateway_ip, guest_ip) / tcp;
    return text.empty() ? packet : packet / Tins::RawPDU(text);
}

inline std::string payload_of(const Tins::EthernetII& packet) {
    const auto* raw = packet.find_pdu<Tins::RawPDU>();
    return raw == nullptr ? "" : std::string(raw->payload().begin(), raw->payload().end());
}

}  // namespace skbtrail::device::test
