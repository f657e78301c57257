// From the guest: frames out of the ring onto the wire.
#pragma once

#include <cstddef>
#include <vector>

#include "device/net/net_queue.h"
#include "device/wire/wire.h"

namespace skbtrail::device {

class TransmitQueue : public NetQueue {
  public:
    TransmitQueue(EventLoop& loop, unsigned index, RingEventLog* events, Wire& wire, FrameTap tap);

  private:
    /// Chains per batch: one publication and one decision to call for all of them.
    static constexpr std::size_t burst = 32;
    /// Chains per turn of the loop, so that a busy driver does not keep the wire from answering.
    static constexpr std::size_t turn_budget = 256;

    void process();
    /// False when the queue is broken now.
    bool process_burst(std::size_t& taken);
    /// Returns false.
    bool break_queue(RingFault fault);
    /// Empty when the chain was handled, dropped frames included.
    tl::expected<void, RingFault> handle(const Chain& chain);
    /// Onto the wire, with the checksum completed unless the wire takes it partial.
    void send(std::span<std::byte> frame, const FrameOffload& offload);

    Wire& wire_;
    FrameTap tap_;
    std::vector<std::byte> frame_;  ///< the guest's bytes, copied before they are looked at
    EventLoop::Timer continue_;     ///< goes on in the next turn
};

}  // namespace skbtrail::device
