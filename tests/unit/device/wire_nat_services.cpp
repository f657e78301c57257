// What the nat wire brings to the guest besides its own connections: the host's resolver, and
// connections from the host.
#include <array>
#include <cstring>
#include <fstream>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <fmt/format.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <tins/dns.h>

#include "device/wire/factory.h"
#include "tests/unit/device/nat_guest.h"
#include "tests/unit/device/own_namespaces.h"
#include "tests/unit/device/temporary_directory.h"

namespace skbtrail::device {

using test::arp_request;
using test::gateway_ip;
using test::gateway_mac;
using test::guest_ip;
using test::guest_mac;
using test::HostSocket;
using test::in_own_namespaces;
using test::run_until;
using test::TemporaryDirectory;
using test::WireGuest;

namespace {

const std::string name_server_ip = "10.0.2.3";

void bring_up_loopback() {
    const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::memcpy(request.ifr_name, "lo", 3);
    request.ifr_flags = IFF_UP;
    REQUIRE(::ioctl(socket.get(), SIOCSIFFLAGS, &request) == 0);
}

/// The system's resolver is at 127.0.0.1, for who has this thread's mounts.
void use_local_resolver(const std::string& file) {
    std::ofstream(file) << "nameserver 127.0.0.1\n";
    REQUIRE(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0);
    REQUIRE(::mount(file.c_str(), "/etc/resolv.conf", nullptr, MS_BIND, nullptr) == 0);
}

}  // namespace

TEST_CASE("nat brings the guest's questions to the host's resolver, and back", "[wire][nat]") {
    in_own_namespaces(CLONE_NEWNET | CLONE_NEWNS, [] {
        const TemporaryDirectory directory;
        bring_up_loopback();
        use_local_resolver(directory / "resolv.conf");
        const HostSocket resolver(SOCK_DGRAM, 53);
        EventLoop loop;
        const auto wire = make_wire("nat", loop);
        WireGuest guest(*wire);
        guest.send(arp_request());

        Tins::DNS question;
        question.id(0x1234);
        question.recursion_desired(1);
        question.add_query({"lab.example", Tins::DNS::A, Tins::DNS::IN});
        guest.send(Tins::EthernetII(gateway_mac, guest_mac) / Tins::IP(name_server_ip, guest_ip) /
                   Tins::UDP(53, 4000) / question);
        std::array<std::uint8_t, 512> buffer{};
        sockaddr_in from{};
        socklen_t size = sizeof from;
        ssize_t length = -1;
        REQUIRE(run_until(loop, [&] {
            length = ::recvfrom(resolver.fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT,
                                reinterpret_cast<sockaddr*>(&from), &size);
            return length > 0;
        }));
        Tins::DNS asked(buffer.data(), static_cast<std::uint32_t>(length));
        CHECK(asked.id() == 0x1234);
        REQUIRE(asked.queries().size() == 1);
        CHECK(asked.queries().front().dname() == "lab.example");

        asked.type(Tins::DNS::RESPONSE);
        asked.add_answer({"lab.example", "192.0.2.7", Tins::DNS::A, Tins::DNS::IN, 60});
        const auto answer = asked.serialize();
        REQUIRE(::sendto(resolver.fd.get(), answer.data(), answer.size(), 0,
                         reinterpret_cast<sockaddr*>(&from),
                         size) == static_cast<ssize_t>(answer.size()));
        REQUIRE(run_until(loop, [&] { return guest.find<Tins::UDP>() != nullptr; }));
        const auto came = guest.find<Tins::UDP>();
        CHECK(came->rfind_pdu<Tins::IP>().src_addr() == name_server_ip);
        CHECK(came->rfind_pdu<Tins::UDP>().sport() == 53);
        CHECK(came->rfind_pdu<Tins::UDP>().dport() == 4000);
        const auto told = came->rfind_pdu<Tins::RawPDU>().to<Tins::DNS>();
        CHECK(told.id() == 0x1234);
        REQUIRE(told.answers().size() == 1);
        CHECK(told.answers().front().data() == "192.0.2.7");
    });
}

TEST_CASE("hostfwd carries a TCP connection of the host, with data both ways", "[wire][nat]") {
    // A port that was free a moment ago.
    const std::uint16_t port = HostSocket(SOCK_STREAM).port;
    EventLoop loop;
    const auto wire = make_wire(fmt::format("nat,hostfwd=tcp::{}-:80", port), loop);
    WireGuest guest(*wire);
    guest.send(arp_request());
    HostSocket client(SOCK_STREAM);
    sockaddr_in to = client.address();
    to.sin_port = htons(port);
    REQUIRE(::connect(client.fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);

    // What the host's side has sent to the guest's server, in order.
    std::uint32_t theirs = 0;
    std::uint16_t their_port = 0;
    std::string got;
    bool ended = false;
    std::size_t looked_at = 0;
    const auto take = [&] {
        for (; looked_at < guest.received().size(); ++looked_at) {
            const auto packet = guest.packet(looked_at);
            const auto* tcp = packet.find_pdu<Tins::TCP>();
            if (tcp == nullptr) {
                continue;
            }
            CHECK(tcp->dport() == 80);
            CHECK(packet.rfind_pdu<Tins::IP>().dst_addr() == guest_ip);
            if (tcp->get_flag(Tins::TCP::SYN) != 0) {
                theirs = tcp->seq() + 1;
                their_port = tcp->sport();
            } else if (tcp->seq() == theirs) {
                const auto* raw = packet.find_pdu<Tins::RawPDU>();
                if (raw != nullptr) {
                    got.append(raw->payload().begin(), raw->payload().end());
                    theirs += static_cast<std::uint32_t>(raw->payload().size());
                }
                ended = ended || tcp->get_flag(Tins::TCP::FIN) != 0;
            }
        }
    };
    std::uint32_t ours = 500;
    const auto say = [&](int flags, const std::string& text = {}) {
        Tins::TCP tcp(their_port, 80);
        tcp.flags(static_cast<Tins::TCP::Flags>(flags));
        tcp.seq(ours);
        tcp.ack_seq(theirs);
        tcp.window(65535);
        auto packet =
            Tins::EthernetII(gateway_mac, guest_mac) / Tins::IP(gateway_ip, guest_ip) / tcp;
        guest.send(text.empty() ? packet : packet / Tins::RawPDU(text));
        ours += static_cast<std::uint32_t>(text.size()) + ((flags & Tins::TCP::SYN) != 0 ? 1 : 0);
    };
    REQUIRE(run_until(loop, [&] {
        take();
        return theirs != 0;
    }));
    say(Tins::TCP::SYN | Tins::TCP::ACK);

    const std::string question(5000, 'q');
    REQUIRE(::send(client.fd.get(), question.data(), question.size(), 0) ==
            static_cast<ssize_t>(question.size()));
    REQUIRE(run_until(loop, [&] {
        const std::size_t before = got.size();
        take();
        if (got.size() != before) {
            say(Tins::TCP::ACK);
        }
        return got.size() >= question.size();
    }));
    CHECK(got == question);

    const std::string answer(3000, 'a');
    for (std::size_t at = 0; at < answer.size(); at += 1000) {
        say(Tins::TCP::ACK | Tins::TCP::PSH, answer.substr(at, 1000));
    }
    std::string came;
    REQUIRE(run_until(loop, [&] {
        std::array<char, 4096> piece{};
        const auto size = ::recv(client.fd.get(), piece.data(), piece.size(), MSG_DONTWAIT);
        came.append(piece.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
        return came.size() >= answer.size();
    }));
    CHECK(came == answer);
    REQUIRE(::shutdown(client.fd.get(), SHUT_WR) == 0);
    CHECK(run_until(loop, [&] {
        take();
        return ended;
    }));
}

}  // namespace skbtrail::device
