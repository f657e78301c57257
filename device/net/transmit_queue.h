// From the guest: frames out of the ring onto the wire.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "device/net/net_queue.h"
#include "device/net/segment.h"
#include "device/wire/wire.h"

namespace skbtrail::device {

class TransmitQueue final : public NetQueue {
  public:
    /// `latency`: how long after the driver's kick the ring is looked at.
    TransmitQueue(EventLoop& loop, unsigned index, RingEventLog* events, Wire& wire, FrameTap tap,
                  std::chrono::milliseconds latency = {});

  private:
    /// Chains per batch: one publication and one decision to call for all of them.
    static constexpr std::size_t burst = 64;
    /// Frames on the wire per turn of the loop, give or take a burst: a busy driver does not keep
    /// the wire from answering. A chain that is cut counts as what becomes of it.
    static constexpr std::size_t turn_budget = 256;

    /// What a chain asks for.
    struct Prepared {
        std::span<std::byte> frame;
        FrameOffload offload;
        /// What counts it, if it is dropped.
        std::uint64_t QueueCounters::* dropped = nullptr;
    };

    void on_kick();
    /// Takes what is there; true if there was something.
    bool look();
    /// Handles up to `most` chains. False when the queue is broken now, or held by its gate.
    bool process_burst(std::size_t most, std::size_t& taken);
    /// Returns false.
    bool break_queue(RingFault fault);
    /// Copies the frame of a chain into frame_, and checks it.
    tl::expected<Prepared, RingFault> prepare(const Chain& chain);
    /// Onto the wire, with the checksum completed unless the wire takes it partial, and cut unless
    /// the wire takes it whole.
    void send(const Chain& chain, std::span<std::byte> frame, const FrameOffload& offload);

    Wire& wire_;
    FrameTap tap_;
    std::chrono::milliseconds latency_;
    std::array<Chain, burst> chains_;
    std::vector<std::byte> frame_;  ///< the guest's bytes, copied before they are looked at
    Segmenter segmenter_;
    std::size_t segments_beyond_ = 0;  ///< of chains that were cut: segments but the first
    EventLoop::Timer late_;            ///< after the latency
};

}  // namespace skbtrail::device
