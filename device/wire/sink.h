// A wire that leads nowhere: what the guest sends is counted and is gone, and nothing ever comes.
#pragma once

#include <string>

#include "device/wire/wire.h"

namespace skbtrail::device {

class SinkWire final : public Wire {
  public:
    void attach(Deliver) override {}
    void transmit(const Frame& frame) override {
        ++from_guest_.frames;
        from_guest_.bytes += frame.bytes.size();
    }
    /// Nobody reads its frames, so nobody needs their checksums.
    bool takes_offloads() const override { return true; }
    WireCounters counters() const override { return {from_guest_, {}, 0}; }
    std::string describe() const override { return "sink"; }

  private:
    WireCounters::Direction from_guest_;
};

}  // namespace skbtrail::device
