// Large frames between a guest and libslirp.
#include <random>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <tins/ip_reassembler.h>
#include <tins/tcp.h>
#include <tins/udp.h>

#include "device/net/checksum.h"
#include "device/net/segment.h"
#include "device/wire/nat_frames.h"
#include "tests/unit/device/wire_guest.h"

namespace skbtrail::device {

using test::Bytes;

namespace {

Tins::TCP syn() {
    Tins::TCP tcp(80, 4000);
    tcp.flags(Tins::TCP::SYN);
    tcp.mss(1460);
    tcp.winscale(7);
    return tcp;
}

template <typename Transport>
Bytes packet(const Transport& transport, std::size_t payload = 0) {
    std::string text(payload, '\0');
    for (std::size_t i = 0; i < payload; ++i) {
        text[i] = static_cast<char>(i * 7 + i / 251);
    }
    auto all = Tins::EthernetII(test::guest_mac, test::gateway_mac) /
               Tins::IP(test::guest_ip, test::gateway_ip) / transport / Tins::RawPDU(text);
    return test::to_bytes(all);
}

/// 0xffff when the TCP checksum is right.
std::uint16_t tcp_sum(std::span<const std::byte> frame) {
    const std::size_t length = frame.size() - 34;
    const std::array<std::byte, 4> rest{std::byte{0}, std::byte{6}, std::byte(length >> 8),
                                        std::byte(length & 0xff)};
    return internet_sum(frame.subspan(34), internet_sum(rest, internet_sum(frame.subspan(26, 8))));
}

}  // namespace

TEST_CASE("a SYN's MSS is replaced and its checksum stays right", "[wire][nat]") {
    const bool odd = GENERATE(false, true);
    Bytes frame = packet(syn());
    if (odd) {
        // Behind a no-operation: the value stands at an odd place.
        std::vector<std::byte> options(frame.begin() + 54, frame.begin() + 62);
        std::fill(frame.begin() + 54, frame.begin() + 62, std::byte{1});
        std::copy(options.begin(), options.begin() + 4, frame.begin() + 55);
        frame[50] = frame[51] = std::byte{0};
        const auto sum = static_cast<std::uint16_t>(~tcp_sum(frame));
        frame[50] = std::byte(sum >> 8);
        frame[51] = std::byte(sum & 0xff);
    }
    REQUIRE(tcp_sum(frame) == 0xffff);
    REQUIRE(find_mss(frame) == 1460);
    for (const auto mss : std::initializer_list<std::uint16_t>{16384, 65535, 1, 536}) {
        replace_mss(frame, mss);
        CHECK(find_mss(frame) == mss);
        CHECK(tcp_sum(frame) == 0xffff);
    }
}

TEST_CASE("only a SYN with an MSS has one", "[wire][nat]") {
    CHECK(find_mss(packet(Tins::TCP(80, 4000))) == std::nullopt);
    Tins::TCP without(80, 4000);
    without.flags(Tins::TCP::SYN);
    CHECK(find_mss(packet(without)) == std::nullopt);
    CHECK(find_mss(packet(Tins::UDP(80, 4000), 100)) == std::nullopt);
    const Bytes good = packet(syn());
    for (std::size_t size = 0; size < good.size(); ++size) {
        CHECK(find_mss(Bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size))) ==
              std::nullopt);
    }
    Bytes later = good;
    later[13] = std::byte{0x06};
    CHECK(find_mss(later) == std::nullopt);
    later = good;
    later[20] = std::byte{0x20};  // a fragment
    CHECK(find_mss(later) == std::nullopt);
}

TEST_CASE("no SYN makes the search for its MSS read past the end", "[wire][nat]") {
    std::minstd_rand random(1);
    const Bytes good = packet(syn());
    std::size_t found = 0;
    for (int round = 0; round < 20'000; ++round) {
        Bytes frame = good;
        for (int change = 0; change < 3; ++change) {
            frame[14 + random() % (frame.size() - 14)] = std::byte(random() >> 8);
        }
        frame.resize(random() % 3 == 0 ? random() % frame.size() : frame.size());
        Bytes exact(frame);
        if (find_mss(exact)) {
            replace_mss(exact, 9000);
            CHECK(find_mss(exact) == 9000);
            ++found;
        }
        (void)mark_segment(exact, 10);
        (void)fragment_ipv4(exact, 28 + random() % 100, [](auto) {});
    }
    CHECK(found > 1000);
}

TEST_CASE("a large segment is marked so that it can be cut", "[wire][nat]") {
    Tins::TCP tcp(4000, 80);
    tcp.flags(Tins::TCP::ACK | Tins::TCP::PSH);
    tcp.seq(1000);
    Bytes frame = packet(tcp, 5000);
    CHECK(mark_segment(frame, 5000) == std::nullopt);
    CHECK(tcp_sum(frame) == 0xffff);
    const auto offload = mark_segment(frame, 1400);
    REQUIRE(offload);
    CHECK(offload->gso_type == gso_tcp4);
    CHECK(offload->gso_size == 1400);
    CHECK(offload->header_length == 54);
    // Completed it is the checksum that it was.
    Bytes completed = frame;
    CHECK(complete_checksum(completed, *offload));
    CHECK(tcp_sum(completed) == 0xffff);
    Segmenter segmenter;
    REQUIRE(segmenter.start(Frame{frame, *offload}));
    CHECK(segmenter.left() == 4);
    CHECK(tcp_sum(segmenter.front().bytes) == 0xffff);

    Bytes datagram = packet(Tins::UDP(1, 2), 5000);
    CHECK(mark_segment(datagram, 1400) == std::nullopt);
}

TEST_CASE("fragments make the packet again, and fragments of fragments", "[wire][nat]") {
    const Bytes whole = packet(Tins::UDP(1, 2), 9000);
    std::vector<Bytes> pieces;
    std::vector<Bytes> smaller;
    REQUIRE(fragment_ipv4(whole, 4000, [&](auto piece) {
        CHECK(piece.size() <= 4014);
        CHECK(internet_sum(piece.subspan(14, 20)) == 0xffff);
        pieces.emplace_back(piece.begin(), piece.end());
    }));
    REQUIRE(pieces.size() == 3);
    for (const auto& piece : pieces) {
        REQUIRE(fragment_ipv4(piece, 1500, [&](auto part) {
            CHECK(part.size() <= 1514);
            smaller.emplace_back(part.begin(), part.end());
        }));
    }
    for (const auto& all : {pieces, smaller}) {
        Tins::IPv4Reassembler reassembler;
        bool done = false;
        for (const auto& piece : all) {
            Tins::EthernetII part(reinterpret_cast<const std::uint8_t*>(piece.data()),
                                  static_cast<std::uint32_t>(piece.size()));
            CHECK_FALSE(done);
            done = reassembler.process(part) == Tins::IPv4Reassembler::REASSEMBLED;
            if (done) {
                const auto& raw = part.rfind_pdu<Tins::RawPDU>().payload();
                CHECK(std::equal(raw.begin(), raw.end(),
                                 reinterpret_cast<const std::uint8_t*>(whole.data()) + 42));
                CHECK(raw.size() == 9000);
            }
        }
        CHECK(done);
    }
    CHECK_FALSE(fragment_ipv4(whole, 27, [](auto) {}));
    CHECK_FALSE(fragment_ipv4(Bytes(100), 1500, [](auto) {}));
}

}  // namespace skbtrail::device
