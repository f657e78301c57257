// The control queue (virtio 1.3, 5.1.2 and 5.1.6.5): commands from the driver, each with an answer
// in the last byte of its chain. Only front ends that forward it have one here (UML); QEMU answers
// commands itself.
#pragma once

#include <cstddef>
#include <vector>

#include "device/log_limit.h"
#include "device/net/control_commands.h"
#include "device/net/net_queue.h"
#include "device/net/receive_filter.h"

namespace skbtrail::device {

class ControlQueue final : public NetQueue {
  public:
    /// Commands handled before others have their turn.
    static constexpr std::size_t turn_budget = 4;

    /// Filter and target must outlive it.
    ControlQueue(EventLoop& loop, unsigned index, RingEventLog* events, ReceiveFilter& filter,
                 ControlTarget& target);

    /// Commands that were answered, those refused among them.
    std::uint64_t commands() const noexcept { return commands_; }
    /// Commands that were answered VIRTIO_NET_ERR.
    std::uint64_t refused() const noexcept { return refused_; }

  private:
    /// Answers what is there, a turn's worth at most. Whether there was something.
    bool look();
    /// A chain without room for an answer ends the queue; everything else has one.
    tl::expected<void, RingFault> handle(const Chain& chain);

    ReceiveFilter& filter_;
    ControlTarget& target_;
    LogLimit refusals_;
    std::vector<std::byte> command_;
    std::uint64_t commands_ = 0;
    std::uint64_t refused_ = 0;
};

}  // namespace skbtrail::device
