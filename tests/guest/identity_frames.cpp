#include "tests/guest/identity_frames.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <random>
#include <span>
#include <stdexcept>
#include <string_view>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <pcap/pcap.h>
#include <tins/dot1q.h>
#include <tins/ethernetII.h>
#include <tins/ip.h>
#include <tins/rawpdu.h>
#include <tins/tcp.h>
#include <tins/udp.h>

#include "device/wire/pcap_file.h"

namespace skbtrail::tests {

namespace {

using namespace std::chrono_literals;
using Bytes = std::vector<std::uint8_t>;
using Mac = Tins::EthernetII::address_type;

constexpr const char* guest_mac = "52:54:00:73:6b:62";  // as labs have it
constexpr const char* peer_mac = "52:55:0a:00:02:02";
constexpr const char* guest_ip = "10.0.2.15";
constexpr const char* peer_ip = "10.0.2.2";
constexpr std::string_view word = "skbt";
constexpr std::uint32_t last_serial = 0xffffffff;

Bytes payload(std::uint32_t serial, std::size_t size) {
    Bytes bytes(size);
    std::copy(word.begin(), word.end(), bytes.begin());
    for (unsigned i = 0; i < 4; ++i) {
        bytes[word.size() + i] = static_cast<std::uint8_t>(serial >> (24 - 8 * i));
    }
    return bytes;
}

struct CloseDumper {
    void operator()(pcap_dumper_t* dumper) const { ::pcap_dump_close(dumper); }
};
struct ClosePcap {
    void operator()(pcap_t* pcap) const { ::pcap_close(pcap); }
};

class Writer {
  public:
    explicit Writer(const std::filesystem::path& path)
        : pcap_(::pcap_open_dead(DLT_EN10MB, 65535)),
          dumper_(::pcap_dump_open(pcap_.get(), path.c_str())) {
        if (!dumper_) throw std::runtime_error("cannot write " + path.string());
    }

    void wait(std::chrono::microseconds time) { time_ += time; }

    void write(const Bytes& frame) {
        pcap_pkthdr header{};
        header.ts.tv_sec = 1'700'000'000 + time_ / 1s;
        header.ts.tv_usec = (time_ % 1s).count();
        header.caplen = header.len = static_cast<bpf_u_int32>(frame.size());
        ::pcap_dump(reinterpret_cast<u_char*>(dumper_.get()), &header, frame.data());
    }

  private:
    std::unique_ptr<pcap_t, ClosePcap> pcap_;
    std::unique_ptr<pcap_dumper_t, CloseDumper> dumper_;
    std::chrono::microseconds time_{0};
};

Bytes udp_frame(std::uint32_t serial, const char* destination, std::uint16_t port,
                std::size_t size) {
    auto ip = Tins::IP(destination, peer_ip);
    ip.id(static_cast<std::uint16_t>(serial));
    ip.ttl(64);
    auto frame = Tins::EthernetII(Mac(guest_mac), Mac(peer_mac)) / ip / Tins::UDP(port, 4000) /
                 Tins::RawPDU(payload(serial, size));
    return frame.serialize();
}

Bytes tagged_frame(std::uint32_t serial, std::size_t size) {
    auto frame = Tins::EthernetII(Mac(guest_mac), Mac(peer_mac)) / Tins::Dot1Q(7) /
                 Tins::IP(guest_ip, peer_ip) / Tins::UDP(5000, 4000) /
                 Tins::RawPDU(payload(serial, size));
    return frame.serialize();
}

/// A datagram in `count` fragments, each of which begins with a serial number, from `first` on.
std::vector<Bytes> fragments_of(std::uint32_t first, std::uint32_t count) {
    constexpr std::size_t size = 512;
    Bytes datagram;
    for (std::uint32_t i = 0; i < count; ++i) {
        // The UDP header takes its place in the first one.
        const auto part = payload(first + i, i == 0 ? size - 8 : size);
        datagram.insert(datagram.end(), part.begin(), part.end());
    }
    auto whole = Tins::IP(guest_ip, peer_ip) / Tins::UDP(5000, 4000) / Tins::RawPDU(datagram);
    const auto bytes = whole.serialize();
    std::vector<Bytes> frames;
    for (std::uint32_t i = 0; i < count; ++i) {
        auto ip = Tins::IP(guest_ip, peer_ip);
        ip.id(static_cast<std::uint16_t>(first));
        ip.ttl(64);
        ip.protocol(17);
        ip.fragment_offset(static_cast<std::uint16_t>(i * size / 8));
        ip.flags(i + 1 < count ? Tins::IP::MORE_FRAGMENTS : Tins::IP::Flags(0));
        const auto* const data = bytes.data() + 20 + i * size;
        auto frame = Tins::EthernetII(Mac(guest_mac), Mac(peer_mac)) / ip /
                     Tins::RawPDU(data, static_cast<std::uint32_t>(size));
        frames.push_back(frame.serialize());
    }
    return frames;
}

/// TCP segments that follow each other, as GRO merges them.
std::vector<Bytes> burst_of(std::uint32_t first, std::uint32_t count, std::size_t size) {
    std::vector<Bytes> frames;
    for (std::uint32_t i = 0; i < count; ++i) {
        auto ip = Tins::IP(guest_ip, peer_ip);
        ip.id(static_cast<std::uint16_t>(first + i));
        ip.ttl(64);
        ip.flags(Tins::IP::DONT_FRAGMENT);
        auto tcp = Tins::TCP(81, static_cast<std::uint16_t>(20000 + first % 20000));
        tcp.seq(1000 + i * static_cast<std::uint32_t>(size));
        tcp.ack_seq(1);
        tcp.window(1000);
        tcp.flags(i + 1 < count ? Tins::TCP::ACK : Tins::TCP::ACK | Tins::TCP::PSH);
        auto frame = Tins::EthernetII(Mac(guest_mac), Mac(peer_mac)) / ip / tcp /
                     Tins::RawPDU(payload(first + i, size));
        frames.push_back(frame.serialize());
    }
    return frames;
}

/// Where the UDP checksum of a frame without IP options is.
constexpr std::size_t udp_checksum_at = 14 + 20 + 6;

Bytes frame_of(const SerialFrame& one, std::size_t size) {
    switch (one.errand) {
        case Errand::nobody:
            return udp_frame(one.serial, guest_ip, 5002, size);
        case Errand::filtered:
            return udp_frame(one.serial, guest_ip, 5001, size);
        case Errand::spoilt: {
            auto frame = udp_frame(one.serial, guest_ip, 5000, size);
            frame[udp_checksum_at] ^= 0x55U;
            return frame;
        }
        case Errand::tagged:
            return tagged_frame(one.serial, size);
        case Errand::forwarded:
            return udp_frame(one.serial, "10.9.0.7", 5000, size);
        default:
            return udp_frame(one.serial, guest_ip, 5000, size);
    }
}

}  // namespace

const char* name_of(Errand errand) {
    constexpr std::array names{"delivered", "nobody",  "filtered", "spoilt", "tagged", "forwarded",
                               "fragment",  "segment", "sent",     "cut",    "piece"};
    return names.at(static_cast<std::size_t>(errand));
}

std::vector<SerialFrame> write_frames(const std::filesystem::path& path, std::size_t count,
                                      std::uint32_t seed) {
    std::mt19937 random(seed);
    const auto one_of = [&random](std::uint32_t choices) {
        return static_cast<std::uint32_t>(random() % choices);
    };
    Writer writer(path);
    writer.write(udp_frame(0, guest_ip, 9, 20));
    writer.wait(2s);
    constexpr std::array errands{Errand::delivered, Errand::delivered, Errand::nobody,
                                 Errand::filtered,  Errand::spoilt,    Errand::forwarded,
                                 Errand::tagged,    Errand::fragment,  Errand::segment};
    std::vector<SerialFrame> frames;
    std::uint32_t serial = 1;
    while (frames.size() < count) {
        // Small ones are copied out of the receive buffer, large ones stay in it.
        const std::size_t size = one_of(3) == 0 ? 1200 : 16 + one_of(40);
        const auto errand = errands[one_of(errands.size())];
        std::vector<Bytes> group;
        if (errand == Errand::fragment) {
            group = fragments_of(serial, 2 + one_of(3));
        } else if (errand == Errand::segment) {
            group = burst_of(serial, 2 + one_of(7), size);
        } else {
            group.push_back(frame_of({serial, errand, serial}, size));
        }
        const auto first = serial;
        for (std::size_t i = 0; i < group.size(); ++i) frames.push_back({serial++, errand, first});
        // Fragments may come in any order.
        if (errand == Errand::fragment) std::shuffle(group.begin(), group.end(), random);
        for (const auto& frame : group) writer.write(frame);
        // Bursts, and between them time for the guest, which is emulated and traced.
        if (one_of(4) != 0) writer.wait(group.size() * 20ms);
    }
    for (int i = 0; i < 3; ++i) {
        writer.wait(300ms);
        writer.write(udp_frame(last_serial, guest_ip, 5000, 20));
    }
    return frames;
}

std::vector<CapturedFrame> read_capture(const std::filesystem::path& path) {
    device::PcapFile file(path, "");
    std::vector<CapturedFrame> frames;
    const auto guest = Mac(guest_mac);
    while (const auto record = file.next()) {
        const std::string_view bytes(reinterpret_cast<const char*>(record->bytes.data()),
                                     record->bytes.size());
        CapturedFrame frame;
        for (auto at = bytes.find(word); at != std::string_view::npos && at + 8 <= bytes.size();
             at = bytes.find(word, at + 8)) {
            std::uint32_t serial = 0;
            for (std::size_t i = 0; i < 4; ++i) {
                serial = serial << 8U | static_cast<std::uint8_t>(bytes[at + word.size() + i]);
            }
            if (serial != 0 && serial != last_serial) frame.serials.push_back(serial);
        }
        // An ICMP error quotes the packet that it is about.
        constexpr std::string_view ipv4{"\x08\x00", 2};
        constexpr std::size_t protocol_at = 14 + 9;
        constexpr char icmp = 1;
        const bool quotes = bytes.substr(12, 2) == ipv4 && bytes[protocol_at] == icmp;
        if (frame.serials.empty() || quotes) continue;
        frame.from_guest = std::equal(guest.begin(), guest.end(),
                                      reinterpret_cast<const std::uint8_t*>(bytes.data()) + 6);
        if (bytes.substr(12, 2) == ipv4) {
            constexpr std::size_t id_at = 14 + 4;
            const auto high = std::to_integer<unsigned>(record->bytes[id_at]);
            const auto low = std::to_integer<unsigned>(record->bytes[id_at + 1]);
            frame.ip_id = static_cast<std::uint16_t>(high << 8U | low);
        }
        frames.push_back(std::move(frame));
    }
    return frames;
}

std::string payload_word(std::uint32_t serial) {
    return fmt::format("736b6274{:08x}", serial);
}

}  // namespace skbtrail::tests
