#include "device/wire/generated_frames.h"

#include <cstring>
#include <numeric>

#include <tins/ethernetII.h>
#include <tins/ip.h>
#include <tins/rawpdu.h>
#include <tins/udp.h>

namespace skbtrail::device {

namespace {

constexpr std::size_t headers = 14 + 20 + 8;
constexpr std::size_t line_bytes = 64;

Tins::PDU::serialization_type make_frame(const GeneratedTraffic& traffic, std::size_t size,
                                         std::uint16_t port) {
    Tins::RawPDU::payload_type payload(size - headers);
    std::iota(payload.begin(), payload.end(), std::uint8_t{0});
    auto frame = Tins::EthernetII(Tins::HWAddress<6>(traffic.destination.octets.data()),
                                  Tins::HWAddress<6>(traffic.source.octets.data())) /
                 Tins::IP(traffic.destination_ip, traffic.source_ip) /
                 Tins::UDP(traffic.destination_port, port) / Tins::RawPDU(payload);
    frame.rfind_pdu<Tins::IP>().ttl(64);
    return frame.serialize();
}

constexpr std::size_t lines_for(std::size_t size) {
    return (size + line_bytes - 1) / line_bytes;
}

}  // namespace

std::optional<GeneratedFrames> GeneratedFrames::make(const GeneratedTraffic& traffic) {
    // Every flow gets every size: the cycle is over when both begin anew together.
    const std::size_t cycle = std::lcm(traffic.sizes.size(), std::size_t{traffic.flows});
    const std::size_t turns = cycle / traffic.sizes.size();
    std::size_t round = 0;
    for (const std::size_t size : traffic.sizes) {
        round += lines_for(size);
    }
    if (turns > most_bytes / line_bytes / round) {
        return std::nullopt;
    }
    GeneratedFrames frames;
    frames.lines_.resize(turns * round);
    frames.places_.reserve(cycle);
    std::size_t line = 0;
    for (std::size_t i = 0; i < cycle; ++i) {
        const auto port =
            static_cast<std::uint16_t>(GeneratedTraffic::first_port + i % traffic.flows);
        const auto frame = make_frame(traffic, traffic.sizes[i % traffic.sizes.size()], port);
        std::memcpy(frames.lines_[line].data(), frame.data(), frame.size());
        frames.places_.push_back(
            {static_cast<std::uint32_t>(line), static_cast<std::uint32_t>(frame.size())});
        line += lines_for(frame.size());
    }
    return frames;
}

void GeneratedFrames::set_destination(const MacAddress& destination) {
    for (const Place place : places_) {
        std::memcpy(lines_[place.line].data(), destination.octets.data(),
                    destination.octets.size());
    }
}

}  // namespace skbtrail::device
