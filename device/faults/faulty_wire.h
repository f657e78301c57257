// A wire with faults: stands between the device and the wire that it is plugged into.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "device/event_loop.h"
#include "device/faults/fault.h"
#include "device/wire/delivery_queue.h"
#include "device/wire/frame_copy.h"
#include "device/wire/precise_timer.h"
#include "device/wire/wire.h"

namespace skbtrail::device {

/// What happens to the card as a whole. Called from the loop, not from within a frame's way.
struct CardActions {
    std::function<void(bool up)> set_link;
    std::function<void()> disconnect;
};

/// Does the faults of frames, each frame meeting them in the order of their numbers, and rolls the
/// dice for those of the card.
///
/// What is decided depends on the frames alone, not on when the guest has buffers: a frame for the
/// guest meets the faults once, when it can be delivered or must wait behind others; while frames
/// wait, the wire is told to keep its own. Frames that are delayed or that wait to be overtaken are
/// bounded; a frame beyond that goes on at once, and the fault counts that.
class FaultyWire final : public Wire {
  public:
    /// Frames that are held back, in each direction.
    static constexpr std::size_t most_held = 4096;

    /// `faults` must outlive it.
    FaultyWire(std::unique_ptr<Wire> wire, FaultSet& faults, EventLoop& loop);

    /// Without them, faults of the card only count.
    void set_card_actions(CardActions actions) { card_ = std::move(actions); }

    void attach(Deliver deliver) override;
    void transmit(const Frame& frame) override;
    void on_receive_ready() override;
    void on_receive_stopped() override { wire_->on_receive_stopped(); }
    void on_guest_left() override;
    bool takes_offloads() const override { return wire_->takes_offloads(); }
    bool takes_segments(std::uint8_t gso_type) const override {
        return wire_->takes_segments(gso_type);
    }
    WireNeeds needs() const override { return wire_->needs(); }
    /// Those of the wire, and what was dropped or is held here.
    WireCounters counters() const override;
    std::string complaint() const override { return wire_->complaint(); }
    std::string describe() const override { return wire_->describe(); }

    /// Frames that are held back now.
    std::size_t held() const noexcept;

  private:
    using Clock = EventLoop::Clock;

    /// Waits until so many frames have overtaken it.
    struct Overtaken {
        FrameCopy copy;
        unsigned more;
        Clock::time_point latest;
    };
    /// One way through the wire.
    struct Way {
        std::function<void(const Frame&)> out;
        std::multimap<Clock::time_point, FrameCopy> delayed;
        std::vector<Overtaken> overtaken;
        std::vector<std::byte> changed;  ///< a frame with a wrong byte
        /// By faults, and held for a guest that left. The faults count too, until they are removed.
        std::uint64_t dropped = 0;

        std::size_t held() const noexcept { return delayed.size() + overtaken.size(); }
    };

    Delivery deliver(const Frame& frame);
    /// A frame meets the faults.
    void meet(Way& way, bool to_guest, Frame frame);
    /// A frame goes on; those that waited for it follow.
    void pass(Way& way, const Frame& frame);
    void release_due();
    void arm();

    std::unique_ptr<Wire> wire_;
    FaultSet& faults_;
    CardActions card_;
    Deliver downstream_;
    DeliveryQueue waiting_;
    Way to_guest_;
    Way from_guest_;
    PreciseTimer timer_;
    EventLoop::Timer link_up_;
    EventLoop::Timer soon_;
    bool link_down_due_ = false;
    bool disconnect_due_ = false;
    std::chrono::nanoseconds down_for_{0};
};

}  // namespace skbtrail::device
