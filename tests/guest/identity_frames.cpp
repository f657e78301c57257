#include "tests/guest/identity_frames.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <random>
#include <span>
#include <stdexcept>
#include <string_view>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <pcap/pcap.h>
#include <tins/ethernetII.h>
#include <tins/ip.h>
#include <tins/rawpdu.h>
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
        case Errand::forwarded:
            return udp_frame(one.serial, "10.9.0.7", 5000, size);
        default:
            return udp_frame(one.serial, guest_ip, 5000, size);
    }
}

}  // namespace

const char* name_of(Errand errand) {
    constexpr std::array names{"delivered", "nobody", "filtered", "spoilt", "forwarded", "sent"};
    return names.at(static_cast<std::size_t>(errand));
}

std::vector<SerialFrame> write_frames(const std::filesystem::path& path, std::size_t count,
                                      std::uint32_t seed) {
    std::mt19937 random(seed);
    const auto one_of = [&random](std::uint32_t choices) { return random() % choices; };
    Writer writer(path);
    writer.write(udp_frame(0, guest_ip, 9, 20));
    writer.wait(2s);
    constexpr std::array errands{Errand::delivered, Errand::delivered, Errand::nobody,
                                 Errand::filtered,  Errand::spoilt,    Errand::forwarded};
    std::vector<SerialFrame> frames;
    std::uint32_t serial = 1;
    while (frames.size() < count) {
        // Small ones are copied out of the receive buffer, large ones stay in it.
        const std::size_t size = one_of(3) == 0 ? 1200 : 16 + one_of(40);
        frames.push_back({serial++, errands[one_of(errands.size())]});
        writer.write(frame_of(frames.back(), size));
        // Bursts, and between them time for the guest, which is emulated and traced.
        if (one_of(4) != 0) writer.wait(12ms);
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
        constexpr std::size_t protocol_at = 14 + 9;
        constexpr char icmp = 1;
        if (frame.serials.empty() || bytes[protocol_at] == icmp) continue;
        frame.from_guest = std::equal(guest.begin(), guest.end(),
                                      reinterpret_cast<const std::uint8_t*>(bytes.data()) + 6);
        frames.push_back(std::move(frame));
    }
    return frames;
}

std::string payload_word(std::uint32_t serial) {
    return fmt::format("736b6274{:08x}", serial);
}

}  // namespace skbtrail::tests
