// Large frames cut into frames that fit.
#include <algorithm>
#include <cstring>
#include <numeric>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <tins/dot1q.h>
#include <tins/ethernetII.h>
#include <tins/ip.h>
#include <tins/ip_reassembler.h>
#include <tins/ipv6.h>
#include <tins/rawpdu.h>
#include <tins/tcp.h>
#include <tins/udp.h>

#include "device/net/checksum.h"
#include "device/net/segment.h"
#include "tests/unit/device/net_bench.h"

namespace skbtrail::device {

namespace {

using Bytes = std::vector<std::byte>;

Bytes serialized(Tins::PDU&& packet) {
    const auto octets = packet.serialize();
    const auto bytes = std::as_bytes(std::span(octets));
    return {bytes.begin(), bytes.end()};
}

Tins::EthernetII parsed(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const std::uint8_t*>(bytes.data()),
            static_cast<std::uint32_t>(bytes.size())};
}

Tins::RawPDU payload(std::size_t size) {
    Tins::RawPDU::payload_type bytes(size);
    // Not a multiple of any segment size: a byte tells where it was.
    for (std::size_t i = 0; i < size; ++i) {
        bytes[i] = static_cast<std::uint8_t>(i * 7 + i / 251);
    }
    return Tins::RawPDU(bytes);
}

std::string bytes_of(const Tins::PDU& packet) {
    const auto* raw = packet.find_pdu<Tins::RawPDU>();
    return raw == nullptr ? std::string()
                          : std::string(raw->payload().begin(), raw->payload().end());
}

const Tins::EthernetII ethernet("02:00:00:00:00:02", "02:00:00:00:00:01");

Tins::TCP tcp_header() {
    Tins::TCP tcp(80, 4000);
    tcp.seq(0xfffffc00);  // wraps on the way
    tcp.ack_seq(0x01020304);
    tcp.window(500);
    tcp.flags(Tins::TCP::ACK | Tins::TCP::PSH | Tins::TCP::FIN | Tins::TCP::CWR | Tins::TCP::ECE);
    tcp.timestamp(0x11223344, 0x55667788);
    return tcp;
}

Tins::IP ipv4_header() {
    Tins::IP ip("192.0.2.2", "192.0.2.1");
    ip.id(0xfffe);
    ip.ttl(17);
    ip.flags(Tins::IP::DONT_FRAGMENT);
    return ip;
}

const Tins::IPv6 ipv6_header("2001:db8::2", "2001:db8::1");

/// Frame::offload as a driver gives it, with the sum of the pseudo header in its place.
FrameOffload partial(Bytes& frame, std::uint8_t type, std::uint16_t size, std::size_t network,
                     std::size_t transport) {
    const bool six = (std::to_integer<unsigned>(frame[network]) >> 4) == 6;
    const bool tcp = (type & ~gso_ecn) == gso_tcp4 || (type & ~gso_ecn) == gso_tcp6;
    FrameOffload offload;
    offload.needs_checksum = true;
    offload.checksum_start = static_cast<std::uint16_t>(transport);
    offload.checksum_offset = tcp ? 16 : 6;
    offload.gso_type = type;
    offload.gso_size = size;
    offload.header_length = static_cast<std::uint16_t>(transport + 20);
    const std::size_t length = frame.size() - transport;
    const std::array<std::byte, 4> rest{std::byte{0}, tcp ? std::byte{6} : std::byte{17},
                                        std::byte(length >> 8), std::byte(length & 0xff)};
    const auto sum = internet_sum(
        rest, internet_sum(std::span(frame).subspan(network + (six ? 8 : 12), six ? 32 : 8)));
    frame[transport + offload.checksum_offset] = std::byte(sum >> 8);
    frame[transport + offload.checksum_offset + 1] = std::byte(sum & 0xff);
    return offload;
}

/// All frames that `frame` stands for.
std::vector<Bytes> cut(Segmenter& segmenter, const Frame& frame) {
    REQUIRE(segmenter.start(frame));
    std::vector<Bytes> all;
    while (!segmenter.done()) {
        const Frame& front = segmenter.front();
        CHECK(front.offload.gso_type == gso_none);
        CHECK_FALSE(front.offload.needs_checksum);
        CHECK(front.queue_pair == frame.queue_pair);
        all.emplace_back(front.bytes.begin(), front.bytes.end());
        segmenter.pop();
    }
    return all;
}

/// The sum over the pseudo header and everything behind it: 0xffff when the checksum is right.
std::uint16_t transport_sum(const Bytes& frame, std::size_t network, std::size_t transport,
                            std::uint8_t protocol) {
    const bool six = (std::to_integer<unsigned>(frame[network]) >> 4) == 6;
    const std::size_t length = frame.size() - transport;
    const std::array<std::byte, 4> rest{std::byte{0}, std::byte{protocol}, std::byte(length >> 8),
                                        std::byte(length & 0xff)};
    const auto pseudo = internet_sum(
        rest, internet_sum(std::span(frame).subspan(network + (six ? 8 : 12), six ? 32 : 8)));
    return internet_sum(std::span(frame).subspan(transport), pseudo);
}

}  // namespace

TEST_CASE("TCP over IPv4 is cut into segments that are whole packets", "[device][segment]") {
    const bool tagged = GENERATE(false, true);
    const std::size_t size = GENERATE(1448, 4344, 5000, 1, 0, 1449);
    Bytes frame =
        tagged
            ? serialized(ethernet / Tins::Dot1Q(7) / ipv4_header() / tcp_header() / payload(size))
            : serialized(ethernet / ipv4_header() / tcp_header() / payload(size));
    const std::size_t network = tagged ? 18 : 14;
    const std::size_t transport = network + 20;
    frame.resize(transport + 32 + size);  // without Ethernet's padding
    const auto offload = partial(frame, gso_tcp4 | gso_ecn, 1448, network, transport);
    Segmenter segmenter;
    const auto segments = cut(segmenter, Frame{frame, offload, 3});
    REQUIRE(segments.size() == std::max<std::size_t>((size + 1447) / 1448, 1));
    std::string together;
    for (std::size_t i = 0; i < segments.size(); ++i) {
        const bool last = i + 1 == segments.size();
        CHECK(segments[i].size() <= transport + 32 + 1448);
        CHECK(std::equal(segments[i].begin(), segments[i].begin() + network, frame.begin()));
        CHECK(internet_sum(std::span(segments[i]).subspan(network, 20)) == 0xffff);
        CHECK(transport_sum(segments[i], network, transport, 6) == 0xffff);
        const auto segment = parsed(segments[i]);
        const auto& ip = segment.rfind_pdu<Tins::IP>();
        CHECK(ip.tot_len() == segments[i].size() - network);
        CHECK(ip.id() == static_cast<std::uint16_t>(0xfffe + i));
        CHECK(ip.ttl() == 17);
        CHECK(ip.flags() == Tins::IP::DONT_FRAGMENT);
        const auto& tcp = segment.rfind_pdu<Tins::TCP>();
        CHECK(tcp.seq() == static_cast<std::uint32_t>(0xfffffc00 + i * 1448));
        CHECK(tcp.ack_seq() == 0x01020304);
        CHECK(tcp.window() == 500);
        CHECK(tcp.timestamp() == std::pair<std::uint32_t, std::uint32_t>(0x11223344, 0x55667788));
        CHECK(tcp.get_flag(Tins::TCP::ACK) == 1);
        CHECK(tcp.get_flag(Tins::TCP::ECE) == 1);
        CHECK(tcp.get_flag(Tins::TCP::FIN) == (last ? 1 : 0));
        CHECK(tcp.get_flag(Tins::TCP::PSH) == (last ? 1 : 0));
        CHECK(tcp.get_flag(Tins::TCP::CWR) == (i == 0 ? 1 : 0));
        together += bytes_of(segment);
    }
    CHECK(together == bytes_of(payload(size)));
}

TEST_CASE("TCP over IPv6 is cut, behind extension headers too", "[device][segment]") {
    const bool extended = GENERATE(false, true);
    Bytes frame = serialized(ethernet / ipv6_header / tcp_header() / payload(3000));
    std::size_t transport = 14 + 40;
    if (extended) {
        // A hop-by-hop header of 8 bytes of padding, then a destination header of 16.
        const Bytes extensions = [] {
            Bytes bytes(24);
            bytes[0] = std::byte{60};
            bytes[2] = std::byte{1};
            bytes[3] = std::byte{4};
            bytes[8] = std::byte{6};
            bytes[9] = std::byte{1};
            bytes[10] = std::byte{1};
            bytes[11] = std::byte{12};
            return bytes;
        }();
        frame.insert(frame.begin() + static_cast<std::ptrdiff_t>(transport), extensions.begin(),
                     extensions.end());
        frame[20] = std::byte{0};
        transport += extensions.size();
    }
    const auto offload = partial(frame, gso_tcp6, 1000, 14, transport);
    Segmenter segmenter;
    const auto segments = cut(segmenter, Frame{frame, offload});
    REQUIRE(segments.size() == 3);
    std::string together;
    for (std::size_t i = 0; i < segments.size(); ++i) {
        CHECK(segments[i].size() == transport + 32 + 1000);
        CHECK(transport_sum(segments[i], 14, transport, 6) == 0xffff);
        const auto segment = parsed(segments[i]);
        CHECK(segment.rfind_pdu<Tins::IPv6>().payload_length() == segments[i].size() - 54);
        CHECK(segment.rfind_pdu<Tins::TCP>().seq() ==
              static_cast<std::uint32_t>(0xfffffc00 + i * 1000));
        together += bytes_of(segment);
    }
    CHECK(together == bytes_of(payload(3000)));
}

TEST_CASE("UDP is cut into datagrams", "[device][segment]") {
    const bool six = GENERATE(false, true);
    Bytes frame = six ? serialized(ethernet / ipv6_header / Tins::UDP(53, 5353) / payload(2500))
                      : serialized(ethernet / ipv4_header() / Tins::UDP(53, 5353) / payload(2500));
    const std::size_t transport = six ? 54 : 34;
    const auto offload = partial(frame, gso_udp_segments, 1200, 14, transport);
    Segmenter segmenter;
    const auto datagrams = cut(segmenter, Frame{frame, offload});
    REQUIRE(datagrams.size() == 3);
    std::string together;
    for (const auto& bytes : datagrams) {
        CHECK(transport_sum(bytes, 14, transport, 17) == 0xffff);
        const auto datagram = parsed(bytes);
        CHECK(datagram.rfind_pdu<Tins::UDP>().length() == bytes.size() - transport);
        CHECK(datagram.rfind_pdu<Tins::UDP>().dport() == 53);
        together += bytes_of(datagram);
    }
    CHECK(datagrams.back().size() == transport + 8 + 100);
    CHECK(together == bytes_of(payload(2500)));
}

TEST_CASE("a datagram is cut into IPv4 fragments that make it again", "[device][segment]") {
    Bytes frame = serialized(ethernet / ipv4_header() / Tins::UDP(53, 5353) / payload(4000));
    const auto offload = partial(frame, gso_udp, 1483, 14, 34);  // not a multiple of 8
    Segmenter segmenter;
    const auto fragments = cut(segmenter, Frame{frame, offload});
    REQUIRE(fragments.size() == 3);
    Tins::IPv4Reassembler reassembler;
    for (std::size_t i = 0; i < fragments.size(); ++i) {
        CHECK(internet_sum(std::span(fragments[i]).subspan(14, 20)) == 0xffff);
        auto fragment = parsed(fragments[i]);
        const auto& ip = fragment.rfind_pdu<Tins::IP>();
        CHECK(ip.id() == 0xfffe);
        CHECK(ip.fragment_offset() == i * 1480 / 8);
        CHECK(ip.flags() == (i < 2 ? Tins::IP::MORE_FRAGMENTS : Tins::IP::Flags{}));
        const auto status = reassembler.process(fragment);
        if (i < 2) {
            CHECK(status == Tins::IPv4Reassembler::FRAGMENTED);
            continue;
        }
        REQUIRE(status == Tins::IPv4Reassembler::REASSEMBLED);
        CHECK(bytes_of(fragment) == bytes_of(payload(4000)));
        const auto whole = serialized(std::move(fragment));
        CHECK(std::equal(whole.begin() + 34, whole.begin() + 40, frame.begin() + 34));
    }
    // The checksum of the datagram is in the first fragment, and right for all of it.
    Bytes whole(fragments[0]);
    whole.insert(whole.end(), fragments[1].begin() + 34, fragments[1].end());
    whole.insert(whole.end(), fragments[2].begin() + 34, fragments[2].end());
    CHECK(transport_sum(whole, 14, 34, 17) == 0xffff);
}

TEST_CASE("a datagram is cut into IPv6 fragments", "[device][segment]") {
    Bytes frame = serialized(ethernet / ipv6_header / Tins::UDP(53, 5353) / payload(2000));
    const auto offload = partial(frame, gso_udp, 1448, 14, 54);
    Segmenter segmenter;
    const auto fragments = cut(segmenter, Frame{frame, offload});
    REQUIRE(fragments.size() == 2);
    Bytes whole(frame.begin(), frame.begin() + 54);
    for (std::size_t i = 0; i < 2; ++i) {
        const Bytes& bytes = fragments[i];
        CHECK(bytes[20] == std::byte{44});  // a fragment header follows
        CHECK((std::to_integer<unsigned>(bytes[18]) << 8 | std::to_integer<unsigned>(bytes[19])) ==
              bytes.size() - 54);
        CHECK(bytes[54] == std::byte{17});
        CHECK((std::to_integer<unsigned>(bytes[56]) << 8 | std::to_integer<unsigned>(bytes[57])) ==
              (i == 0 ? 1u : 1448u));
        CHECK(std::equal(bytes.begin() + 58, bytes.begin() + 62, fragments[0].begin() + 58));
        whole.insert(whole.end(), bytes.begin() + 62, bytes.end());
    }
    CHECK(whole.size() == frame.size());
    CHECK(transport_sum(whole, 14, 54, 17) == 0xffff);
    // Another datagram has another identification.
    const auto others = cut(segmenter, Frame{frame, offload});
    CHECK_FALSE(
        std::equal(others[0].begin() + 58, others[0].begin() + 62, fragments[0].begin() + 58));
}

TEST_CASE("a datagram that fits is no fragment", "[device][segment]") {
    Bytes frame = serialized(ethernet / ipv6_header / Tins::UDP(53, 5353) / payload(1000));
    const auto offload = partial(frame, gso_udp, 1448, 14, 54);
    Segmenter segmenter;
    const auto one = cut(segmenter, Frame{frame, offload});
    REQUIRE(one.size() == 1);
    CHECK(one[0].size() == frame.size());
    CHECK(one[0][20] == std::byte{17});
    CHECK(transport_sum(one[0], 14, 54, 17) == 0xffff);
}

TEST_CASE("what is left of a frame can wait", "[device][segment]") {
    Bytes frame = serialized(ethernet / ipv4_header() / tcp_header() / payload(3000));
    const auto offload = partial(frame, gso_tcp4, 1000, 14, 34);
    Segmenter whole;
    const auto expected = cut(whole, Frame{frame, offload});
    Segmenter segmenter;
    REQUIRE(segmenter.start(Frame{frame, offload}));
    CHECK(segmenter.left() == 3);
    segmenter.pop();
    (void)segmenter.front();
    segmenter.keep();
    segmenter.keep();
    std::fill(frame.begin(), frame.end(), std::byte{0xee});
    CHECK(segmenter.left() == 2);
    for (std::size_t i = 1; i < 3; ++i) {
        const auto bytes = segmenter.front().bytes;
        CHECK(Bytes(bytes.begin(), bytes.end()) == expected[i]);
        segmenter.pop();
    }
    CHECK(segmenter.done());
}

TEST_CASE("a frame that cannot be cut says why", "[device][segment]") {
    Bytes tcp4 = serialized(ethernet / ipv4_header() / tcp_header() / payload(3000));
    const FrameOffload good = partial(tcp4, gso_tcp4, 1000, 14, 34);
    Segmenter segmenter;
    const auto why = [&segmenter](const Bytes& frame, const FrameOffload& offload) {
        const auto started = segmenter.start(Frame{frame, offload});
        CHECK(segmenter.done());
        return started ? std::string("none") : std::string(to_string(started.error()));
    };
    const auto changed = [&](std::size_t at, unsigned value) {
        Bytes frame = tcp4;
        frame[at] = std::byte(value);
        return why(frame, good);
    };
    const auto with = [&](auto change) {
        FrameOffload offload = good;
        change(offload);
        return why(tcp4, offload);
    };
    CHECK(changed(12, 0x88) == "not_ip");
    CHECK(changed(14, 0x65) == "not_ip");  // version 6 under IPv4's type
    CHECK(changed(14, 0x44) == "not_ip");  // a header of 16 bytes
    CHECK(changed(23, 17) == "other_protocol");
    CHECK(changed(20, 0x20) == "fragment");
    CHECK(changed(21, 0x01) == "fragment");
    CHECK(changed(14, 0x46) == "checksum_place");
    CHECK(with([](auto& o) { o.checksum_start = 33; }) == "checksum_place");
    CHECK(with([](auto& o) { o.gso_size = 0; }) == "segment_size");
    CHECK(with([](auto& o) { o.gso_size = 1; }) == "too_many");
    CHECK(with([](auto& o) { o.gso_type = gso_tcp6; }) == "other_protocol");
    CHECK(with([](auto& o) { o.gso_type = gso_udp; }) == "other_protocol");
    CHECK(with([](auto& o) { o.gso_type = 2; }) == "other_protocol");
    Bytes udp = serialized(ethernet / ipv4_header() / Tins::UDP(1, 2) / payload(100));
    CHECK(why(udp, partial(udp, gso_udp, 7, 14, 34)) == "segment_size");
    for (std::size_t size = 0; size < 34 + 32; ++size) {
        CHECK(why(Bytes(tcp4.begin(), tcp4.begin() + static_cast<std::ptrdiff_t>(size)), good) ==
              "cut_short");
    }
    Bytes six = serialized(ethernet / ipv6_header / tcp_header() / payload(100));
    const FrameOffload good6 = partial(six, gso_tcp6, 50, 14, 54);
    for (std::size_t size = 0; size < 54 + 32; ++size) {
        CHECK(why(Bytes(six.begin(), six.begin() + static_cast<std::ptrdiff_t>(size)), good6) ==
              "cut_short");
    }
    for (const unsigned header : {0u, 60u}) {
        six[20] = std::byte(header);
        Bytes chain(six);
        // Options as far as the eye sees: every header says that another of its kind follows.
        std::fill(chain.begin() + 54, chain.end(), std::byte{0});
        for (std::size_t at = 54; at + 8 <= chain.size(); at += 8) {
            chain[at] = std::byte(header);
        }
        CHECK(why(chain, good6) == "other_protocol");
    }
    six[20] = std::byte{44};
    CHECK(why(six, good6) == "fragment");
    six[20] = std::byte{43};
    CHECK(why(six, good6) == "other_protocol");
    // More than a packet can say of its length.
    Bytes huge(tcp4);
    huge.resize(14 + 65536);
    CHECK(why(huge, [&] {
              FrameOffload offload = good;
              offload.gso_size = 65535;
              return offload;
          }()) == "segment_size");
}

TEST_CASE("no bytes make the segmenter read past the end", "[device][segment]") {
    Bytes tcp4 = serialized(ethernet / ipv4_header() / tcp_header() / payload(300));
    Bytes udp6 = serialized(ethernet / ipv6_header / Tins::UDP(1, 2) / payload(300));
    std::minstd_rand random(1);  // the same bytes in every run
    Segmenter segmenter;
    std::size_t cut_frames = 0;
    for (int round = 0; round < 20'000; ++round) {
        Bytes frame = round % 2 == 0 ? tcp4 : udp6;
        for (int change = 0; change < round % 7; ++change) {
            frame[12 + random() % 60] = std::byte(random() >> 8);
        }
        frame.resize(random() % 4 == 0 ? random() % frame.size() : frame.size());
        FrameOffload offload;
        offload.gso_type = std::array<std::uint8_t, 6>{1, 3, 4, 5, 0x81, 0}[random() % 6];
        offload.gso_size = static_cast<std::uint16_t>(random() % 3 == 0 ? random() : random() % 64);
        // As large as it is, so that the sanitizer sees the first byte behind it.
        const Bytes exact(frame);
        if (!segmenter.start(Frame{exact, offload})) {
            continue;
        }
        std::size_t bytes = 0;
        for (; !segmenter.done(); segmenter.pop()) {
            bytes += segmenter.front().bytes.size();
            ++cut_frames;
        }
        CHECK(bytes >= exact.size());
    }
    CHECK(cut_frames > 10'000);
}

namespace {

/// A TCP segment of 3,000 bytes, to be cut into three, and what it is cut into.
struct LargeSegment {
    Bytes frame = serialized(ethernet / ipv4_header() / tcp_header() / payload(3000));
    FrameOffload offload = partial(frame, gso_tcp4, 1000, 14, 34);
    std::vector<Bytes> expected = [this] {
        Segmenter segmenter;
        return cut(segmenter, Frame{frame, offload});
    }();
};

}  // namespace

TEST_CASE("transmit: what the wire does not take whole is cut", "[device][net][segment]") {
    test::NetBench bench(test::bench_features | feature_host_tso4);
    const LargeSegment large;
    NetHeaderBytes header = make_receive_header(large.offload, 0);
    bench.send(large.frame, header);
    REQUIRE(bench.wire.sent.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
        CHECK(bench.wire.sent[i].bytes == large.expected[i]);
        CHECK_FALSE(bench.wire.sent[i].offload.needs_checksum);
    }
    // The guest sent one frame, and the capture shows what the guest sent.
    CHECK(bench.counters(1).frames == 1);
    REQUIRE(bench.tapped.size() == 1);
    CHECK(bench.tapped[0].second == large.frame);
    CHECK(bench.transmit.take_used());
}

TEST_CASE("transmit: a chain that is cut counts as what becomes of it", "[device][net][segment]") {
    test::NetBench bench(test::bench_features | feature_host_tso4);
    const LargeSegment large;
    test::FakeDriver driver(bench.ram, 512);
    test::must(bench.device->stop_ring(1));
    bench.start(1, driver);
    for (int i = 0; i < 512; ++i) {
        Bytes whole;
        const NetHeaderBytes header = make_receive_header(large.offload, 0);
        whole.insert(whole.end(), header.begin(), header.end());
        whole.insert(whole.end(), large.frame.begin(), large.frame.end());
        driver.chain().readable(whole).offer();
    }
    std::size_t in_a_turn = 0;
    std::size_t most = 0;
    bench.wire.on_transmit = [&](const Frame&) { most = std::max(most, ++in_a_turn); };
    const auto hook = bench.loop.before_wait([&] { in_a_turn = 0; });
    bench.kick(1);
    CHECK(bench.wire.sent.size() == 3 * 512);
    // For a kick and for looking again: 256 each, and the rest of a burst.
    CHECK(most >= 256);
    CHECK(most <= 2 * (256 + 3 * 64));
}

TEST_CASE("receive: what the driver does not take whole is cut", "[device][net][segment]") {
    test::NetBench bench;
    const LargeSegment large;
    for (int i = 0; i < 4; ++i) {
        bench.receive.chain().writable(2000).offer();
    }
    CHECK(bench.wire.deliver(large.frame, large.offload));
    CHECK(bench.wire.deliver(test::pattern(60)));
    bench.settle();
    REQUIRE(bench.tapped.size() == 4);
    for (std::size_t i = 0; i < 3; ++i) {
        CHECK(bench.tapped[i].second == large.expected[i]);
    }
    CHECK(bench.tapped[3].second == test::pattern(60));
    for (int i = 0; i < 4; ++i) {
        CHECK(bench.receive.take_used());
    }
}

TEST_CASE("receive: segments without buffers wait before all other frames",
          "[device][net][segment]") {
    test::NetBench bench;
    LargeSegment large;
    bench.receive.chain().writable(2000).offer();
    CHECK(bench.wire.deliver(large.frame, large.offload));
    std::fill(large.frame.begin(), large.frame.end(), std::byte{0});  // the wire's again
    CHECK(bench.tapped.size() == 1);
    CHECK_FALSE(bench.wire.deliver(test::pattern(60)));
    const int told = bench.wire.receive_ready;

    SECTION("until there are some") {
        bench.receive.chain().writable(2000).offer();
        bench.kick(0);
        CHECK(bench.tapped.size() == 2);
        // The wire's next frame would find nothing.
        CHECK(bench.wire.receive_ready == told);
        bench.receive.chain().writable(2000).offer();
        bench.receive.chain().writable(2000).offer();
        bench.kick(0);
        CHECK(bench.wire.receive_ready == told + 1);
        CHECK(bench.wire.deliver(test::pattern(60)));
        REQUIRE(bench.tapped.size() == 4);
        for (std::size_t i = 0; i < 3; ++i) {
            CHECK(bench.tapped[i].second == large.expected[i]);
        }
    }
    SECTION("until the queue stops") {
        test::must(bench.device->stop_ring(0));
        CHECK(bench.counters(0).dropped_not_ready == 2);
        test::must(bench.device->set_ring_kick(0, bench.receive_fds.kick.share()));
        bench.receive.chain().writable(2000).offer();
        bench.kick(0);
        CHECK(bench.wire.deliver(test::pattern(60)));
        CHECK(bench.tapped.size() == 2);
    }
    SECTION("until the queue breaks") {
        bench.receive.chain().readable(test::pattern(10)).offer();
        bench.kick(0);
        CHECK(bench.broken_by(0) == "wrong_direction");
        CHECK(bench.counters(0).dropped_not_ready == 3);
        CHECK(bench.tapped.size() == 1);
    }
}

}  // namespace skbtrail::device
