// A transmit queue's way to the wire, where there are several pairs: it remembers for steering
// what was sent through it.
#pragma once

#include <string>

#include "device/net/steering.h"
#include "device/wire/wire.h"

namespace skbtrail::device {

/// Not a wire by itself: a transmit queue sends and asks what may be sent, both of which go to the
/// wire behind it; nothing is delivered through it.
class SteeredPort final : public Wire {
  public:
    /// Wire and steering must outlive it. `pair` is the pair whose transmit queue sends here.
    SteeredPort(Wire& wire, Steering& steering, unsigned pair)
        : wire_(wire), steering_(steering), pair_(pair) {}

    void attach(Deliver deliver) override { wire_.attach(std::move(deliver)); }
    void transmit(const Frame& frame) override {
        steering_.note_sent(frame.bytes, pair_);
        Frame marked = frame;
        marked.queue_pair = pair_;
        wire_.transmit(marked);
    }
    bool takes_offloads() const override { return wire_.takes_offloads(); }
    bool takes_segments(std::uint8_t gso_type) const override {
        return wire_.takes_segments(gso_type);
    }
    WireCounters counters() const override { return wire_.counters(); }
    std::string describe() const override { return wire_.describe(); }

  private:
    Wire& wire_;
    Steering& steering_;
    unsigned pair_;
};

}  // namespace skbtrail::device
