// A wire into a user-mode network: libslirp plays a router, a DHCP server and a DNS server, and
// carries the guest's connections as sockets of this process. Needs no rights.
//
// With the default network 10.0.2.0/24 the guest finds what it knows from QEMU's user network: the
// gateway 10.0.2.2 (52:55:0a:00:02:02), DNS at 10.0.2.3, DHCP leases from 10.0.2.15 on.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "device/event_loop.h"
#include "device/wire/delivery_queue.h"
#include "device/wire/slirp_loop.h"
#include "device/wire/spec.h"
#include "device/wire/wire.h"

namespace skbtrail::device {

class NatWire final : public Wire {
  public:
    static std::span<const WireOption> options();

    /// Throws std::invalid_argument for an option that makes no sense, std::runtime_error when a
    /// host port cannot be listened on.
    NatWire(const WireOptions& options, EventLoop& loop);

    void attach(Deliver deliver) override { to_guest_.attach(std::move(deliver)); }
    void transmit(const Frame& frame) override;
    void on_receive_ready() override { to_guest_.drain(); }
    void on_guest_left() override { to_guest_.clear(); }
    bool takes_segments(std::uint8_t gso_type) const override;
    WireNeeds needs() const override { return {.internet = true}; }
    WireCounters counters() const override;
    std::string describe() const override { return description_; }

  private:
    /// Hands a frame of the guest to libslirp.
    void input(const Frame& frame);
    /// A frame that libslirp sends.
    void output(std::span<const std::byte> bytes);

    std::string description_;
    bool offload_;
    std::uint16_t guest_mss_ = 1460;        ///< what the guest's last SYN named
    std::vector<std::byte> changed_input_;  ///< kept for their capacity
    std::vector<std::byte> changed_output_;
    WireCounters::Direction from_guest_;
    DeliveryQueue to_guest_;
    /// Last: it delivers to the queue until its end.
    std::unique_ptr<SlirpLoop> network_;
};

}  // namespace skbtrail::device
