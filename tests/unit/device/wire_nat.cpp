// The nat wire, spoken to as a guest would, through the real event loop.
#include <array>
#include <cstring>

#include <arpa/inet.h>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <tins/arp.h>
#include <tins/dhcp.h>
#include <tins/ip_reassembler.h>
#include <tins/tcp.h>
#include <tins/udp.h>

#include "device/unique_fd.h"
#include "device/wire/factory.h"
#include "tests/unit/device/nat_guest.h"
#include "tests/unit/device/wire_guest.h"

namespace skbtrail::device {

using test::arp_request;
using test::Bytes;
using test::gateway_ip;
using test::gateway_mac;
using test::guest_ip;
using test::guest_mac;
using test::HostSocket;
using test::payload_of;
using test::run_until;
using test::tcp_to;
using test::udp_to;
using test::WireGuest;

TEST_CASE("nat answers ARP for the gateway", "[wire][nat]") {
    EventLoop loop;
    const auto wire = make_wire("nat", loop);
    WireGuest guest(*wire);
    guest.send(arp_request());
    REQUIRE(run_until(loop, [&] { return !guest.received().empty(); }));
    const auto reply = guest.find<Tins::ARP>();
    REQUIRE(reply);
    const auto* arp = reply->find_pdu<Tins::ARP>();
    CHECK(arp->opcode() == Tins::ARP::REPLY);
    CHECK(arp->sender_ip_addr() == gateway_ip);
    CHECK(arp->sender_hw_addr() == gateway_mac);
    CHECK(reply->dst_addr() == guest_mac);
    CHECK(wire->counters().from_guest.frames == 1);
    CHECK(wire->counters().to_guest.frames == guest.received().size());
}

TEST_CASE("nat answers a ping of the gateway", "[wire][nat]") {
    EventLoop loop;
    const auto wire = make_wire("nat", loop);
    WireGuest guest(*wire);
    guest.send(arp_request());
    guest.send(test::echo(Tins::ICMP::ECHO_REQUEST, 0x1234, 9));
    REQUIRE(run_until(loop, [&] { return guest.find<Tins::ICMP>() != nullptr; }));
    const auto reply = guest.find<Tins::ICMP>();
    const auto* icmp = reply->find_pdu<Tins::ICMP>();
    CHECK(icmp->type() == Tins::ICMP::ECHO_REPLY);
    CHECK(icmp->id() == 0x1234);
    CHECK(icmp->sequence() == 9);
    CHECK(reply->find_pdu<Tins::IP>()->src_addr() == gateway_ip);
    CHECK(reply->src_addr() == gateway_mac);
    CHECK(reply->dst_addr() == guest_mac);
    CHECK(payload_of(*reply) == "abcdefgh");
}

TEST_CASE("nat asks for the guest's address when it does not know it", "[wire][nat]") {
    EventLoop loop;
    const auto wire = make_wire("nat", loop);
    WireGuest guest(*wire);
    guest.send(test::echo(Tins::ICMP::ECHO_REQUEST, 1, 1));
    REQUIRE(run_until(loop, [&] { return guest.find<Tins::ARP>() != nullptr; }));
    CHECK(guest.find<Tins::ICMP>() == nullptr);
    guest.send(Tins::ARP::make_arp_reply(gateway_ip, guest_ip, gateway_mac, guest_mac));
    CHECK(run_until(loop, [&] { return guest.find<Tins::ICMP>() != nullptr; }));
}

TEST_CASE("nat leases an address by DHCP", "[wire][nat]") {
    EventLoop loop;
    const auto [spec, lease, router] = GENERATE(table<std::string, std::string, std::string>(
        {{"nat", "10.0.2.15", "10.0.2.2"},
         {"nat,network=192.168.7.0/24", "192.168.7.15", "192.168.7.2"}}));
    const auto wire = make_wire(spec, loop);
    WireGuest guest(*wire);
    Tins::DHCP discover;
    discover.type(Tins::DHCP::DISCOVER);
    discover.xid(0xabcd);
    discover.chaddr(Tins::HWAddress<6>(guest_mac));
    discover.end();
    guest.send(Tins::EthernetII("ff:ff:ff:ff:ff:ff", guest_mac) /
               Tins::IP("255.255.255.255", "0.0.0.0") / Tins::UDP(67, 68) / discover);
    REQUIRE(run_until(loop, [&] { return guest.find<Tins::UDP>() != nullptr; }));
    const auto offer_frame = guest.find<Tins::UDP>();
    const auto& raw = offer_frame->rfind_pdu<Tins::RawPDU>();
    const auto offer = raw.to<Tins::DHCP>();
    CHECK(offer.type() == Tins::DHCP::OFFER);
    CHECK(offer.xid() == 0xabcd);
    CHECK(offer.yiaddr() == lease);
    REQUIRE(offer.routers().size() == 1);
    CHECK(offer.routers().front() == router);
    CHECK(offer.subnet_mask() == "255.255.255.0");
}

TEST_CASE("nat carries UDP to the host and back", "[wire][nat]") {
    HostSocket server(SOCK_DGRAM);
    EventLoop loop;
    const auto wire = make_wire("nat", loop);
    WireGuest guest(*wire);
    guest.send(arp_request());
    guest.send(udp_to(gateway_ip, server.port, "question"));
    std::array<char, 64> buffer{};
    sockaddr_in from{};
    socklen_t size = sizeof from;
    ssize_t length = -1;
    REQUIRE(run_until(loop, [&] {
        length = ::recvfrom(server.fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT,
                            reinterpret_cast<sockaddr*>(&from), &size);
        return length >= 0;
    }));
    CHECK(std::string(buffer.data(), static_cast<std::size_t>(length)) == "question");
    REQUIRE(::sendto(server.fd.get(), "answer", 6, 0, reinterpret_cast<sockaddr*>(&from), size) ==
            6);
    REQUIRE(run_until(loop, [&] { return guest.find<Tins::UDP>() != nullptr; }));
    const auto answer = guest.find<Tins::UDP>();
    CHECK(payload_of(*answer) == "answer");
    CHECK(answer->find_pdu<Tins::UDP>()->dport() == 4000);
    CHECK(answer->find_pdu<Tins::UDP>()->sport() == server.port);
}

TEST_CASE("nat carries a TCP connection from handshake to end", "[wire][nat]") {
    HostSocket server(SOCK_STREAM);
    REQUIRE(::listen(server.fd.get(), 1) == 0);
    EventLoop loop;
    const auto wire = make_wire("nat", loop);
    WireGuest guest(*wire);
    const auto flags_seen = [&guest](int flags) {
        return guest.find<Tins::TCP>(
            [flags](const Tins::TCP& tcp) { return (tcp.flags() & flags) == flags; });
    };
    guest.send(arp_request());
    guest.send(tcp_to(server.port, Tins::TCP::SYN, 100, 0));
    REQUIRE(
        run_until(loop, [&] { return flags_seen(Tins::TCP::SYN | Tins::TCP::ACK) != nullptr; }));
    const auto syn_ack = flags_seen(Tins::TCP::SYN | Tins::TCP::ACK);
    const std::uint32_t theirs = syn_ack->find_pdu<Tins::TCP>()->seq() + 1;
    CHECK(syn_ack->find_pdu<Tins::TCP>()->ack_seq() == 101);
    guest.send(tcp_to(server.port, Tins::TCP::ACK, 101, theirs));
    guest.send(tcp_to(server.port, static_cast<Tins::TCP::Flags>(Tins::TCP::ACK | Tins::TCP::PSH),
                      101, theirs, "hello"));

    const UniqueFd connection(::accept4(server.fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
    REQUIRE(connection);
    std::array<char, 64> buffer{};
    ssize_t length = -1;
    REQUIRE(run_until(loop, [&] {
        length = ::recv(connection.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        return length >= 0;
    }));
    CHECK(std::string(buffer.data(), static_cast<std::size_t>(length)) == "hello");

    REQUIRE(::send(connection.get(), "world", 5, 0) == 5);
    CHECK(run_until(loop, [&] {
        return guest.find<Tins::RawPDU>([](const Tins::RawPDU& raw) {
            return std::string(raw.payload().begin(), raw.payload().end()) == "world";
        }) != nullptr;
    }));
    REQUIRE(::shutdown(connection.get(), SHUT_WR) == 0);
    CHECK(run_until(loop, [&] { return flags_seen(Tins::TCP::FIN) != nullptr; }));
}

TEST_CASE("nat carries TCP in large frames both ways", "[wire][nat]") {
    HostSocket server(SOCK_STREAM);
    REQUIRE(::listen(server.fd.get(), 1) == 0);
    EventLoop loop;
    const bool offload = GENERATE(true, false);
    const auto wire = make_wire(offload ? "nat" : "nat,offload=off", loop);
    CHECK(wire->takes_segments(gso_tcp4) == offload);
    CHECK_FALSE(wire->takes_segments(gso_tcp6));
    CHECK_FALSE(wire->takes_segments(gso_udp_segments));
    WireGuest guest(*wire);
    guest.send(arp_request());
    Tins::TCP syn(server.port, 4000);
    syn.flags(Tins::TCP::SYN);
    syn.seq(100);
    syn.window(65535);
    syn.mss(1400);
    guest.send(Tins::EthernetII(gateway_mac, guest_mac) / Tins::IP(gateway_ip, guest_ip) / syn);
    REQUIRE(run_until(loop, [&] { return guest.find<Tins::TCP>() != nullptr; }));
    const auto syn_ack = guest.find<Tins::TCP>();
    const std::uint32_t theirs = syn_ack->find_pdu<Tins::TCP>()->seq() + 1;
    CHECK(syn_ack->find_pdu<Tins::TCP>()->ack_seq() == 101);
    // A guest may send as much in one frame as fits: the link's MTU is its own affair.
    const std::string question(30'000, 'q');
    guest.send(tcp_to(server.port, Tins::TCP::ACK, 101, theirs, question));
    const UniqueFd connection(::accept4(server.fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
    REQUIRE(connection);
    std::string came;
    REQUIRE(run_until(loop, [&] {
        std::array<char, 65536> buffer{};
        const auto size = ::recv(connection.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        came.append(buffer.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
        return came.size() >= question.size();
    }));
    CHECK(came == question);

    const std::string answer(60'000, 'a');
    REQUIRE(::send(connection.get(), answer.data(), answer.size(), 0) ==
            static_cast<ssize_t>(answer.size()));
    // The guest acknowledges all that came in order.
    std::string got;
    std::size_t looked_at = 0;
    std::size_t largest = 0;
    REQUIRE(run_until(loop, [&] {
        for (; looked_at < guest.received().size(); ++looked_at) {
            const auto packet = guest.packet(looked_at);
            const auto* tcp = packet.find_pdu<Tins::TCP>();
            const auto* raw = packet.find_pdu<Tins::RawPDU>();
            if (tcp == nullptr || raw == nullptr || tcp->seq() != theirs + got.size()) {
                continue;
            }
            got.append(raw->payload().begin(), raw->payload().end());
            largest = std::max(largest, raw->payload().size());
            const FrameOffload& said = guest.offloads()[looked_at];
            // Without, libslirp's own idea of the link counts (it forgets the guest's MSS).
            const bool large = offload && raw->payload().size() > 1400;
            CHECK(said.gso_type == (large ? gso_tcp4 : gso_none));
            CHECK(said.gso_size == (large ? 1400 : 0));
            CHECK(said.needs_checksum == large);
            guest.send(tcp_to(server.port, Tins::TCP::ACK,
                              101 + static_cast<std::uint32_t>(question.size()),
                              theirs + static_cast<std::uint32_t>(got.size())));
        }
        return got.size() >= answer.size();
    }));
    CHECK(got == answer);
    CHECK((largest > 10'000) == offload);
    CHECK(wire->counters().to_guest.dropped == 0);
}

TEST_CASE("nat cuts datagrams that the guest's link does not take", "[wire][nat]") {
    HostSocket server(SOCK_DGRAM);
    EventLoop loop;
    const auto wire = make_wire("nat", loop);
    WireGuest guest(*wire);
    guest.send(arp_request());
    guest.send(udp_to(gateway_ip, server.port, "question"));
    std::array<char, 64> buffer{};
    sockaddr_in from{};
    socklen_t size = sizeof from;
    REQUIRE(run_until(loop, [&] {
        return ::recvfrom(server.fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT,
                          reinterpret_cast<sockaddr*>(&from), &size) >= 0;
    }));
    // More than libslirp thinks the link takes: it cuts first, and its fragments are cut again.
    std::string answer(20'000, '\0');
    for (std::size_t i = 0; i < answer.size(); ++i) {
        answer[i] = static_cast<char>(i * 31 + i / 251);
    }
    REQUIRE(::sendto(server.fd.get(), answer.data(), answer.size(), 0,
                     reinterpret_cast<sockaddr*>(&from),
                     size) == static_cast<ssize_t>(answer.size()));
    Tins::IPv4Reassembler reassembler;
    std::string got;
    std::size_t looked_at = 0;
    CHECK(run_until(loop, [&] {
        for (; looked_at < guest.received().size(); ++looked_at) {
            CHECK(guest.received()[looked_at].size() <= 1514);
            auto packet = guest.packet(looked_at);
            if (reassembler.process(packet) == Tins::IPv4Reassembler::REASSEMBLED) {
                got = payload_of(packet);
            }
        }
        return !got.empty();
    }));
    CHECK(got == answer);
}

TEST_CASE("a restricted nat lets nothing out", "[wire][nat]") {
    HostSocket server(SOCK_DGRAM);
    EventLoop loop;
    const auto wire = make_wire("nat,restrict=on", loop);
    WireGuest guest(*wire);
    guest.send(arp_request());
    guest.send(udp_to(gateway_ip, server.port, "question"));
    guest.send(test::echo(Tins::ICMP::ECHO_REQUEST, 1, 1));
    // The gateway itself answers.
    REQUIRE(run_until(loop, [&] { return guest.find<Tins::ICMP>() != nullptr; }));
    std::array<char, 64> buffer{};
    CHECK_FALSE(run_until(
        loop,
        [&] { return ::recv(server.fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT) >= 0; },
        std::chrono::milliseconds(100)));
}

TEST_CASE("host-loopback=off hides the host's own services", "[wire][nat]") {
    HostSocket server(SOCK_DGRAM);
    EventLoop loop;
    const auto wire = make_wire("nat,host-loopback=off", loop);
    WireGuest guest(*wire);
    guest.send(arp_request());
    guest.send(udp_to(gateway_ip, server.port, "question"));
    std::array<char, 64> buffer{};
    CHECK_FALSE(run_until(
        loop,
        [&] { return ::recv(server.fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT) >= 0; },
        std::chrono::milliseconds(100)));
}

TEST_CASE("hostfwd brings the host's datagrams to the guest", "[wire][nat]") {
    // A port that was free a moment ago.
    const std::uint16_t port = HostSocket(SOCK_DGRAM).port;
    EventLoop loop;
    const auto wire = make_wire(fmt::format("nat,hostfwd=udp::{}-:53", port), loop);
    WireGuest guest(*wire);
    guest.send(arp_request());
    const HostSocket client(SOCK_DGRAM);
    sockaddr_in to = client.address();
    to.sin_port = htons(port);
    REQUIRE(::sendto(client.fd.get(), "knock", 5, 0, reinterpret_cast<sockaddr*>(&to), sizeof to) ==
            5);
    REQUIRE(run_until(loop, [&] { return guest.find<Tins::UDP>() != nullptr; }));
    const auto knock = guest.find<Tins::UDP>();
    CHECK(payload_of(*knock) == "knock");
    CHECK(knock->find_pdu<Tins::UDP>()->dport() == 53);
    CHECK(knock->find_pdu<Tins::IP>()->dst_addr() == guest_ip);
}

TEST_CASE("a host port that is taken is told with its reason", "[wire][nat]") {
    HostSocket taken(SOCK_STREAM);
    REQUIRE(::listen(taken.fd.get(), 1) == 0);
    EventLoop loop;
    CHECK_THROWS_WITH(
        make_wire(fmt::format("nat,hostfwd=tcp::{}-:80", taken.port), loop),
        Catch::Matchers::ContainsSubstring("cannot listen on that port of the host") &&
            Catch::Matchers::ContainsSubstring("Address already in use"));
}

TEST_CASE("nat keeps what the guest has no buffers for, to a bound", "[wire][nat]") {
    EventLoop loop;
    const auto wire = make_wire("nat", loop);
    WireGuest guest(*wire);
    guest.send(arp_request());
    guest.take_buffers();
    constexpr std::uint16_t pings = 1500;
    for (std::uint16_t i = 0; i < pings; ++i) {
        guest.send(test::echo(Tins::ICMP::ECHO_REQUEST, 1, i));
    }
    const auto stalled = wire->counters();
    CHECK(stalled.waiting == 1024);
    CHECK(stalled.to_guest.dropped == pings - 1024);
    guest.give_buffers(5000);
    CHECK(wire->counters().waiting == 0);
    CHECK(guest.received().size() == 1 + 1024);
    CHECK(guest.packet(1).rfind_pdu<Tins::ICMP>().sequence() == 0);
    CHECK(guest.packet(1024).rfind_pdu<Tins::ICMP>().sequence() == 1023);
}

TEST_CASE("nat sleeps when nothing happens", "[wire][nat]") {
    EventLoop loop;
    const auto wire = make_wire("nat", loop);
    WireGuest guest(*wire);
    guest.send(arp_request());
    guest.send(test::echo(Tins::ICMP::ECHO_REQUEST, 1, 1));
    // After the last event libslirp gets three ticks of a second, to expire what it kept.
    run_until(loop, [] { return false; }, std::chrono::milliseconds(4500));
    const auto start = EventLoop::Clock::now();
    CHECK_FALSE(loop.turn(std::chrono::milliseconds(1500)));
    CHECK(EventLoop::Clock::now() - start >= std::chrono::milliseconds(1500));
    // And it wakes.
    const auto before = guest.received().size();
    guest.send(test::echo(Tins::ICMP::ECHO_REQUEST, 1, 2));
    CHECK(run_until(loop, [&] { return guest.received().size() > before; }));
}

TEST_CASE("a connection that waits for the guest does not keep the loop busy", "[wire][nat]") {
    HostSocket server(SOCK_STREAM);
    REQUIRE(::listen(server.fd.get(), 1) == 0);
    EventLoop loop;
    const auto wire = make_wire("nat", loop);
    WireGuest guest(*wire);
    guest.send(arp_request());
    guest.send(tcp_to(server.port, Tins::TCP::SYN, 100, 0));
    REQUIRE(run_until(loop, [&] { return guest.find<Tins::TCP>() != nullptr; }));
    guest.send(tcp_to(server.port, Tins::TCP::ACK, 101,
                      guest.find<Tins::TCP>()->find_pdu<Tins::TCP>()->seq() + 1));
    const UniqueFd connection(::accept4(server.fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
    REQUIRE(connection);
    // More than the guest's window and libslirp's buffers, and the guest says nothing more.
    const std::string flood(4 << 20, 'x');
    (void)::send(connection.get(), flood.data(), flood.size(), MSG_DONTWAIT);
    run_until(loop, [] { return false; }, std::chrono::milliseconds(300));
    int turns = 0;
    const auto end = EventLoop::Clock::now() + std::chrono::seconds(1);
    while (EventLoop::Clock::now() < end) {
        loop.turn(std::chrono::milliseconds(200));
        ++turns;
    }
    CHECK(turns < 30);
}

TEST_CASE("nat survives frames of every length and nonsense", "[wire][nat]") {
    EventLoop loop;
    const auto wire = make_wire("nat,ipv6=on", loop);
    WireGuest guest(*wire);
    guest.send(arp_request());
    auto good = test::echo(Tins::ICMP::ECHO_REQUEST, 1, 1);
    const Bytes ping = test::to_bytes(good);
    auto request = arp_request();
    const Bytes arp = test::to_bytes(request);
    for (std::size_t size = 0; size <= ping.size(); ++size) {
        guest.send(Bytes(ping.begin(), ping.begin() + static_cast<std::ptrdiff_t>(size)));
        Bytes huge_header = Bytes(ping.begin(), ping.begin() + static_cast<std::ptrdiff_t>(size));
        if (size > 14) {
            huge_header[14] = std::byte{0x4f};
        }
        guest.send(huge_header);
    }
    for (std::size_t size = 0; size <= 42; ++size) {
        guest.send(Bytes(arp.begin(), arp.begin() + static_cast<std::ptrdiff_t>(size)));
    }
    std::uint32_t state = 1;  // a linear congruence: the same bytes in every run
    for (int round = 0; round < 3000; ++round) {
        Bytes noise = round % 2 == 0 ? ping : Bytes(14 + static_cast<std::size_t>(round) % 200);
        noise.resize(std::max<std::size_t>(noise.size(), 14));
        for (std::size_t i = round % 2 == 0 ? 14 : 0; i < noise.size(); ++i) {
            state = state * 1664525 + 1013904223;
            if (round % 2 == 1 || state >> 28 == 0) {
                noise[i] = std::byte(state >> 24);
            }
        }
        // Noise must not reach the host's network.
        noise[12] = std::byte{0x08};
        noise[13] = std::byte(round % 3 == 0 ? 0x06 : 0x00);
        if (noise.size() >= 34) {
            noise[30] = std::byte{10};
            noise[31] = std::byte{0};
            noise[32] = std::byte{2};
            noise[33] = std::byte{2};
        }
        guest.send(noise);
    }
    guest.send(Bytes(65535 + 14, std::byte{0}));
    guest.send(Bytes(65535 + 15, std::byte{0}));
    CHECK(wire->counters().from_guest.frames > 3000);
    CHECK(wire->counters().from_guest.dropped == 14 + 14 + 14 + 1);
    guest.send(arp_request());
    guest.send(test::echo(Tins::ICMP::ECHO_REQUEST, 0x77, 0x88));
    CHECK(run_until(loop, [&] {
        return guest.find<Tins::ICMP>([](const Tins::ICMP& icmp) {
            return icmp.type() == Tins::ICMP::ECHO_REPLY && icmp.id() == 0x77;
        }) != nullptr;
    }));
}

TEST_CASE("nat with IPv6 advertises itself as a router in its time", "[wire][nat]") {
    EventLoop loop;
    const auto wire = make_wire("nat,ipv6=on", loop);
    WireGuest guest(*wire);
    // libslirp's first advertisement comes within minutes; here it is enough that its timer lives
    // and goes with the wire, and that a solicitation is answered.
    const std::string solicitation =
        "333300000002"
        "020000000015"
        "86dd"
        "6000000000083aff"
        "fe800000000000000000000000000015"
        "ff020000000000000000000000000002"
        "85007a2400000000";
    Bytes frame;
    for (std::size_t i = 0; i < solicitation.size(); i += 2) {
        frame.push_back(std::byte(std::stoul(solicitation.substr(i, 2), nullptr, 16)));
    }
    // Its checksum: over the pseudo header, by hand.
    const auto sum = [&frame] {
        std::uint32_t total = 8 + 58;
        frame[56] = frame[57] = std::byte{0};
        for (std::size_t i = 22; i < frame.size(); i += 2) {
            total += std::to_integer<std::uint32_t>(frame[i]) << 8 |
                     std::to_integer<std::uint32_t>(frame[i + 1]);
        }
        while (total >> 16) {
            total = (total & 0xffff) + (total >> 16);
        }
        return ~total & 0xffff;
    }();
    frame[56] = std::byte(sum >> 8);
    frame[57] = std::byte(sum & 0xff);
    guest.send(frame);
    CHECK(run_until(loop, [&] {
        for (const auto& got : guest.received()) {
            if (got.size() > 54 && got[12] == std::byte{0x86} && got[54] == std::byte{134}) {
                return true;
            }
        }
        return false;
    }));
}

}  // namespace skbtrail::device
