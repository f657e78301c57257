// A wire that sends every frame back to the guest that sent it, MAC addresses swapped: the shortest
// way through a driver in both directions, and what DPDK calls "macswap".
#pragma once

#include <string>
#include <vector>

#include "device/wire/delivery_queue.h"
#include "device/wire/wire.h"

namespace skbtrail::device {

class ReflectWire final : public Wire {
  public:
    void attach(Deliver deliver) override { to_guest_.attach(std::move(deliver)); }
    void transmit(const Frame& frame) override;
    void on_receive_ready() override { to_guest_.drain(); }
    void on_guest_left() override { to_guest_.clear(); }
    WireCounters counters() const override;
    std::string describe() const override { return "reflect"; }

  private:
    WireCounters::Direction from_guest_;
    DeliveryQueue to_guest_;
    std::vector<std::byte> copy_;  ///< of a frame that may not be changed; kept for its capacity
};

}  // namespace skbtrail::device
