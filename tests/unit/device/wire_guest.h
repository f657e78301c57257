// The guest's side of a wire, for tests: sends frames made with libtins, keeps what arrives, and
// has receive buffers or has none.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <tins/ethernetII.h>
#include <tins/icmp.h>
#include <tins/ip.h>
#include <tins/rawpdu.h>

#include "device/event_loop.h"
#include "device/wire/wire.h"

namespace skbtrail::device::test {

inline const std::string guest_mac = "02:00:00:00:00:15";
inline const std::string guest_ip = "10.0.2.15";
inline const std::string gateway_mac = "52:55:0a:00:02:02";
inline const std::string gateway_ip = "10.0.2.2";

using Bytes = std::vector<std::byte>;

inline Bytes to_bytes(Tins::PDU& packet) {
    const auto octets = packet.serialize();
    const auto bytes = std::as_bytes(std::span(octets));
    return {bytes.begin(), bytes.end()};
}

class WireGuest {
  public:
    explicit WireGuest(Wire& wire) : wire_(wire) {
        wire_.attach([this](const Frame& frame) { return receive(frame); });
    }

    void send(const Bytes& frame) { wire_.transmit(Frame{frame, {}}); }
    void send(Tins::PDU&& packet) { send(to_bytes(packet)); }

    /// Gives receive buffers for so many frames.
    void give_buffers(std::size_t count) {
        buffers_ = count;
        wire_.on_receive_ready();
    }
    void take_buffers() { buffers_ = 0; }

    const std::vector<Bytes>& received() const { return received_; }
    /// What was said of each of them.
    const std::vector<FrameOffload>& offloads() const { return offloads_; }
    Tins::EthernetII packet(std::size_t index) const {
        const auto& frame = received_.at(index);
        return {reinterpret_cast<const std::uint8_t*>(frame.data()),
                static_cast<std::uint32_t>(frame.size())};
    }
    /// The first frame with a layer `Layer` for which `wanted` holds.
    template <typename Layer>
    std::unique_ptr<Tins::EthernetII> find(const std::function<bool(const Layer&)>& wanted =
                                               [](const Layer&) { return true; }) const {
        for (std::size_t i = 0; i < received_.size(); ++i) {
            auto candidate = std::make_unique<Tins::EthernetII>(packet(i));
            const auto* layer = candidate->find_pdu<Layer>();
            if (layer != nullptr && wanted(*layer)) {
                return candidate;
            }
        }
        return nullptr;
    }

  private:
    bool receive(const Frame& frame) {
        if (buffers_ == 0) {
            return false;
        }
        --buffers_;
        received_.emplace_back(frame.bytes.begin(), frame.bytes.end());
        offloads_.push_back(frame.offload);
        return true;
    }

    Wire& wire_;
    std::size_t buffers_ = std::numeric_limits<std::size_t>::max();
    std::vector<Bytes> received_;
    std::vector<FrameOffload> offloads_;
};

/// Turns the loop until `done` or until `longest` is over. Returns whether it was done; that may
/// consume what it looks for, so it is asked until it first holds.
inline bool run_until(EventLoop& loop, const std::function<bool()>& done,
                      std::chrono::milliseconds longest = std::chrono::seconds(10)) {
    const auto deadline = EventLoop::Clock::now() + longest;
    do {
        if (done()) {
            return true;
        }
        loop.turn(std::chrono::milliseconds(10));
    } while (EventLoop::Clock::now() < deadline);
    return done();
}

/// An ICMP echo of the guest.
inline Tins::EthernetII echo(Tins::ICMP::Flags type, std::uint16_t id, std::uint16_t sequence,
                             const std::string& destination = gateway_ip) {
    Tins::ICMP icmp(type);
    icmp.id(id);
    icmp.sequence(sequence);
    return Tins::EthernetII(gateway_mac, guest_mac) / Tins::IP(destination, guest_ip) / icmp /
           Tins::RawPDU("abcdefgh");
}

}  // namespace skbtrail::device::test
