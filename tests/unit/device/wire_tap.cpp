// The wire into the host's network, in a network namespace of the test's own.
#include <array>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <optional>
#include <set>
#include <thread>

#include <arpa/inet.h>
#include <catch2/catch_test_macros.hpp>
#include <catch2/interfaces/catch_interfaces_capture.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <fmt/format.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <tins/tcp.h>
#include <tins/udp.h>
#include <unistd.h>

#include "device/unique_fd.h"
#include "device/wire/factory.h"
#include "tests/unit/device/own_namespaces.h"
#include "tests/unit/device/wire_guest.h"

namespace skbtrail::device {

using test::Bytes;
using test::in_own_namespaces;
using test::run_until;

namespace {

void must(bool done, const char* what) {
    if (!done) {
        throw std::system_error(errno, std::generic_category(), what);
    }
}

sockaddr_in address_of(const char* text, std::uint16_t port = 0) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    ::inet_pton(AF_INET, text, &address.sin_addr);
    return address;
}

/// The host's end of an interface: 192.0.2.1/24, the guest is 192.0.2.2 at guest_mac.
class HostEnd {
  public:
    explicit HostEnd(const std::string& interface) : interface_(interface) {
        ifreq request{};
        std::memcpy(request.ifr_name, interface.data(), interface.size());
        const auto set = [&](unsigned long what, const char* text) {
            const auto address = address_of(text);
            std::memcpy(&request.ifr_addr, &address, sizeof address);
            must(::ioctl(udp_.get(), what, &request) == 0, "address");
        };
        set(SIOCSIFADDR, "192.0.2.1");
        set(SIOCSIFNETMASK, "255.255.255.0");
        arpreq neighbour{};
        const auto guest = address_of("192.0.2.2");
        std::memcpy(&neighbour.arp_pa, &guest, sizeof guest);
        neighbour.arp_ha.sa_family = ARPHRD_ETHER;
        const std::array<unsigned char, 6> mac{0x02, 0, 0, 0, 0, 0x15};
        std::memcpy(neighbour.arp_ha.sa_data, mac.data(), mac.size());
        neighbour.arp_flags = ATF_COM | ATF_PERM;
        std::memcpy(neighbour.arp_dev, interface.data(), interface.size());
        must(::ioctl(udp_.get(), SIOCSARP, &neighbour) == 0, "neighbour");

        packets_.reset(
            ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL)));
        sockaddr_ll link{};
        link.sll_family = AF_PACKET;
        link.sll_protocol = htons(ETH_P_ALL);
        link.sll_ifindex = static_cast<int>(::if_nametoindex(interface.c_str()));
        must(::bind(packets_.get(), reinterpret_cast<sockaddr*>(&link), sizeof link) == 0, "bind");
    }

    /// A datagram from a socket of the kernel.
    void send_datagram(std::size_t size, std::uint16_t port = 7) {
        const Bytes bytes(size, std::byte{'x'});
        const auto to = address_of("192.0.2.2", port);
        must(::sendto(udp_.get(), bytes.data(), bytes.size(), 0,
                      reinterpret_cast<const sockaddr*>(&to), sizeof to) >= 0,
             "sendto");
    }
    /// A frame that came in by the interface, as a packet socket sees it: not yet cut.
    std::optional<Bytes> next_frame() {
        Bytes bytes(70'000);
        sockaddr_ll from{};
        socklen_t length = sizeof from;
        for (;;) {
            const auto size = ::recvfrom(packets_.get(), bytes.data(), bytes.size(), 0,
                                         reinterpret_cast<sockaddr*>(&from), &length);
            if (size < 0) {
                return std::nullopt;
            }
            if (from.sll_pkttype != PACKET_OUTGOING) {
                bytes.resize(static_cast<std::size_t>(size));
                return bytes;
            }
        }
    }
    int udp() const { return udp_.get(); }

  private:
    std::string interface_;
    UniqueFd udp_{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    UniqueFd packets_;
};

/// A guest that keeps what it is told of each frame, and counts datagrams of the test only: the
/// kernel says things of its own on a new interface.
class TapGuest {
  public:
    struct Got {
        Bytes bytes;
        FrameOffload offload;
        unsigned queue_pair;
    };

    explicit TapGuest(Wire& wire) {
        wire.attach([this](const Frame& frame) {
            if (buffers == 0) {
                return false;
            }
            const Tins::EthernetII packet(reinterpret_cast<const std::uint8_t*>(frame.bytes.data()),
                                          static_cast<std::uint32_t>(frame.bytes.size()));
            if (const auto* udp = packet.find_pdu<Tins::UDP>();
                udp != nullptr && udp->dport() >= 7 && udp->dport() < 1000) {
                --buffers;
                got.push_back(
                    {{frame.bytes.begin(), frame.bytes.end()}, frame.offload, frame.queue_pair});
            }
            return true;
        });
    }

    std::size_t buffers = 1'000'000;
    std::vector<Got> got;
};

Bytes guest_datagram(std::size_t size) {
    return test::to_bytes(*std::make_unique<Tins::EthernetII>(
        Tins::EthernetII("ff:ff:ff:ff:ff:ff", test::guest_mac) /
        Tins::IP("192.0.2.1", "192.0.2.2") / Tins::UDP(4000, 4001) /
        Tins::RawPDU(std::string(size, 'y'))));
}

}  // namespace

TEST_CASE("tap carries frames both ways", "[wire][tap]") {
    in_own_namespaces(CLONE_NEWNET, [] {
        EventLoop loop;
        const auto wire = make_wire("tap,ifname=tested0", loop);
        CHECK(wire->describe() == "tap tested0");
        HostEnd host("tested0");
        TapGuest guest(*wire);
        wire->on_receive_ready();

        host.send_datagram(100);
        REQUIRE(run_until(loop, [&] { return !guest.got.empty(); }));
        CHECK(guest.got[0].bytes.size() == 14 + 28 + 100);
        CHECK(guest.got[0].queue_pair == Frame::any_pair);
        // The kernel leaves the checksum to the guest.
        CHECK(guest.got[0].offload.needs_checksum);
        CHECK(guest.got[0].offload.checksum_start == 34);
        CHECK(guest.got[0].offload.checksum_offset == 6);

        const Bytes sent = guest_datagram(200);
        wire->transmit(Frame{sent, {}});
        CHECK(host.next_frame() == sent);
        CHECK(wire->counters().from_guest.frames == 1);
        CHECK(wire->counters().from_guest.bytes == sent.size());
        CHECK(wire->counters().to_guest.frames >= 1);
    });
}

TEST_CASE("tap carries large segments both ways", "[wire][tap]") {
    in_own_namespaces(CLONE_NEWNET, [] {
        EventLoop loop;
        const auto wire = make_wire("tap,ifname=tested0", loop);
        HostEnd host("tested0");
        TapGuest guest(*wire);
        wire->on_receive_ready();
        CHECK(wire->takes_segments(gso_tcp4));

        auto packet = Tins::EthernetII("ff:ff:ff:ff:ff:ff", test::guest_mac) /
                      Tins::IP("192.0.2.1", "192.0.2.2") / Tins::TCP(80, 4001) /
                      Tins::RawPDU(std::string(30'000, 'y'));
        const Bytes sent = test::to_bytes(packet);
        const FrameOffload offload{.needs_checksum = true,
                                   .data_valid = false,
                                   .checksum_start = 34,
                                   .checksum_offset = 16,
                                   .gso_type = gso_tcp4,
                                   .gso_size = 1448,
                                   .header_length = 65535};  // a hint, and nonsense
        wire->transmit(Frame{sent, offload});
        const auto came = host.next_frame();
        REQUIRE(came);
        CHECK(came->size() == sent.size());
        CHECK(wire->counters().from_guest.dropped == 0);

        if (wire->takes_segments(gso_udp_segments)) {
            constexpr int udp_segment = 103;  // UDP_SEGMENT, linux/udp.h
            const int size = 1000;
            must(::setsockopt(host.udp(), IPPROTO_UDP, udp_segment, &size, sizeof size) == 0,
                 "USO");
            host.send_datagram(3500);
            REQUIRE(run_until(loop, [&] { return !guest.got.empty(); }));
            CHECK(guest.got[0].bytes.size() == 14 + 28 + 3500);
            CHECK(guest.got[0].offload.gso_type == gso_udp_segments);
            CHECK(guest.got[0].offload.gso_size == 1000);
        }
    });
}

TEST_CASE("tap leaves in the kernel what the guest has no buffers for", "[wire][tap]") {
    in_own_namespaces(CLONE_NEWNET, [] {
        EventLoop loop;
        const auto wire = make_wire("tap,ifname=tested0", loop);
        HostEnd host("tested0");
        TapGuest guest(*wire);
        wire->on_receive_ready();
        const auto before = wire->counters().to_guest.dropped;  // from before the guest was there
        guest.buffers = 3;
        for (std::size_t i = 0; i < 200; ++i) {
            host.send_datagram(100 + i);
        }
        REQUIRE(run_until(loop, [&] { return guest.got.size() == 3; }));
        CHECK(run_until(loop, [&] { return wire->counters().waiting == 1; }));
        // Nothing to do until there are buffers.
        CHECK_FALSE(loop.turn(std::chrono::milliseconds(20)));
        guest.buffers = 1000;
        wire->on_receive_ready();
        REQUIRE(run_until(loop, [&] { return guest.got.size() == 200; }));
        for (std::size_t i = 0; i < 200; ++i) {
            CHECK(guest.got[i].bytes.size() == 14 + 28 + 100 + i);
        }
        CHECK(wire->counters().to_guest.dropped == before);
        CHECK(wire->counters().waiting == 0);
    });
}

TEST_CASE("tap gives a new guest nothing that came before it", "[wire][tap]") {
    in_own_namespaces(CLONE_NEWNET, [] {
        EventLoop loop;
        const auto wire = make_wire("tap,ifname=tested0", loop);
        HostEnd host("tested0");
        TapGuest guest(*wire);
        host.send_datagram(100);
        CHECK_FALSE(loop.turn(std::chrono::milliseconds(20)));
        wire->on_receive_ready();
        host.send_datagram(101);
        REQUIRE(run_until(loop, [&] { return !guest.got.empty(); }));
        CHECK(guest.got[0].bytes.size() == 14 + 28 + 101);
        const auto before = wire->counters().to_guest.dropped;
        CHECK(before >= 1);

        // A pause is something else.
        wire->on_receive_stopped();
        host.send_datagram(102);
        CHECK_FALSE(loop.turn(std::chrono::milliseconds(20)));
        wire->on_receive_ready();
        REQUIRE(run_until(loop, [&] { return guest.got.size() == 2; }));
        CHECK(wire->counters().to_guest.dropped == before);

        wire->on_guest_left();
        host.send_datagram(103);
        wire->on_receive_ready();
        host.send_datagram(104);
        REQUIRE(run_until(loop, [&] { return guest.got.size() == 3; }));
        CHECK(guest.got[2].bytes.size() == 14 + 28 + 104);
    });
}

TEST_CASE("tap with several queues says which one a frame came by", "[wire][tap]") {
    in_own_namespaces(CLONE_NEWNET, [] {
        EventLoop loop;
        const auto wire = make_wire("tap,ifname=tested0,queues=4", loop);
        CHECK(wire->describe() == "tap tested0, 4 queues");
        HostEnd host("tested0");
        TapGuest guest(*wire);
        wire->on_receive_ready();
        // Flows by their port: the kernel spreads them.
        for (std::uint16_t port = 100; port < 164; ++port) {
            host.send_datagram(10, port);
        }
        REQUIRE(run_until(loop, [&] { return guest.got.size() == 64; }));
        std::set<unsigned> pairs;
        for (const auto& got : guest.got) {
            pairs.insert(got.queue_pair);
        }
        CHECK(pairs.size() > 1);
        CHECK(*pairs.rbegin() < 4);
        // What the guest sends goes by its pair's queue; here it is enough that all take it.
        const Bytes sent = guest_datagram(50);
        for (const unsigned pair : {0u, 1u, 2u, 3u, 7u, Frame::any_pair}) {
            wire->transmit(Frame{sent, {}, pair});
            CHECK(host.next_frame() == sent);
        }
    });
}

TEST_CASE("tap counts what the kernel does not take, and survives the interface's end",
          "[wire][tap]") {
    in_own_namespaces(CLONE_NEWNET, [] {
        EventLoop loop;
        const auto wire = make_wire("tap,ifname=tested0,up=off", loop);
        TapGuest guest(*wire);
        wire->on_receive_ready();
        wire->transmit(Frame{guest_datagram(50), {}});
        CHECK(wire->counters().from_guest.dropped == 1);
        CHECK(wire->counters().from_guest.frames == 0);
        // A frame with lies about itself.
        const FrameOffload lie{.needs_checksum = true,
                               .data_valid = false,
                               .checksum_start = 60'000,
                               .checksum_offset = 6,
                               .gso_type = gso_tcp4,
                               .gso_size = 1,
                               .header_length = 0};
        wire->transmit(Frame{guest_datagram(50), lie});
        CHECK(wire->counters().from_guest.dropped == 2);

        // Deleted by somebody.
        const UniqueFd netlink(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0));
        struct {
            std::uint32_t length = 32;
            std::uint16_t type = 17;  // RTM_DELLINK
            std::uint16_t flags = 1;
            std::uint32_t sequence = 1;
            std::uint32_t port = 0;
            std::uint32_t family = 0;
            std::int32_t index = static_cast<std::int32_t>(::if_nametoindex("tested0"));
            std::uint32_t if_flags = 0;
            std::uint32_t change = 0;
        } request;
        must(::send(netlink.get(), &request, sizeof request, 0) == sizeof request, "netlink");
        REQUIRE(run_until(loop, [&] { return ::if_nametoindex("tested0") == 0; }));
        while (loop.turn(std::chrono::milliseconds(0))) {
        }
        CHECK_FALSE(loop.turn(std::chrono::milliseconds(20)));
        wire->transmit(Frame{guest_datagram(50), {}});
        CHECK(wire->counters().from_guest.dropped == 3);
    });
}

TEST_CASE("a tap interface that cannot be had is told with its reason", "[wire][tap]") {
    using Catch::Matchers::ContainsSubstring;
    in_own_namespaces(CLONE_NEWNET, [] {
        EventLoop loop;
        const auto wire = make_wire("tap,ifname=tested0", loop);
        CHECK_THROWS_WITH(make_wire("tap,ifname=tested0", loop),
                          ContainsSubstring("cannot open \"tested0\"") &&
                              ContainsSubstring("another program has it open"));
        CHECK_THROWS_WITH(make_wire("tap,ifname=tested0,queues=2", loop),
                          ContainsSubstring("no tap interface with multi_queue"));
        CHECK_THROWS_WITH(make_wire("tap,ifname=lo", loop), ContainsSubstring("it exists"));
        CHECK_THROWS_WITH(make_wire("tap,ifname=sixteen-letters-", loop),
                          ContainsSubstring("at most 15 letters"));
        // The kernel's choice.
        CHECK(make_wire("tap", loop)->describe() == "tap tap0");
    });
}

}  // namespace skbtrail::device
