#include "tests/bench/traffic.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <vector>

#include <fmt/format.h>
#include <pcap/pcap.h>

namespace skbtrail::bench {
namespace {

constexpr std::array<unsigned, 12> imix_lengths{64,   590, 64,  64, 590, 64,
                                                1514, 64,  590, 64, 64,  590};

/// An Ethernet header with an IPv4 type; nobody looks further.
std::vector<std::uint8_t> frame_of(unsigned length) {
    std::vector<std::uint8_t> frame(length);
    constexpr std::array<std::uint8_t, 14> header{0x02, 0, 0, 0, 0, 2,    0x02,
                                                  0,    0, 0, 0, 1, 0x08, 0x00};
    std::copy(header.begin(), header.end(), frame.begin());
    return frame;
}

}  // namespace

std::string name_of(Direction direction) {
    switch (direction) {
        case Direction::transmit:
            return "transmit";
        case Direction::receive:
            return "receive";
        case Direction::reflect:
            return "reflect";
    }
    return {};
}

void write_imix(const std::filesystem::path& file) {
    constexpr int snapshot_length = 65535;
    const std::unique_ptr<pcap_t, decltype(&pcap_close)> format(
        pcap_open_dead(DLT_EN10MB, snapshot_length), &pcap_close);
    const std::unique_ptr<pcap_dumper_t, decltype(&pcap_dump_close)> dump(
        pcap_dump_open(format.get(), file.c_str()), &pcap_dump_close);
    if (!dump) {
        throw std::runtime_error(
            fmt::format("cannot write {}: {}", file.string(), pcap_geterr(format.get())));
    }
    for (const unsigned length : imix_lengths) {
        const auto frame = frame_of(length);
        const pcap_pkthdr header{.ts = {}, .caplen = length, .len = length};
        pcap_dump(reinterpret_cast<u_char*>(dump.get()), &header, frame.data());
    }
}

}  // namespace skbtrail::bench
