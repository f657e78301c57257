// A wire that makes traffic of its own, towards the guest: UDP frames made beforehand, as fast as
// the guest takes them or at a rate. What the guest sends is counted and is gone.
//
// As fast as possible means as fast as the guest gives buffers: nothing is ever dropped, and
// without buffers the wire sleeps until there are some. A guest with several queues may have
// buffers in some: flows that go there go on, and the others pass their turn. At a rate it behaves
// like a link: frames whose time has come go out, and when the guest has no buffers for more than a
// moment they are lost, and counted.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "device/event_loop.h"
#include "device/unique_fd.h"
#include "device/wire/generated_frames.h"
#include "device/wire/spec.h"
#include "device/wire/wire.h"

namespace skbtrail::device {

class GenerateWire final : public Wire {
  public:
    static std::span<const WireOption> options();

    /// Throws std::invalid_argument for an option that makes no sense, std::system_error when
    /// there is no timer for a rate.
    GenerateWire(const WireOptions& options, EventLoop& loop);

    void attach(Deliver deliver) override { deliver_ = std::move(deliver); }
    void transmit(const Frame& frame) override;
    void on_receive_ready() override;
    void on_receive_stopped() override;
    void on_guest_left() override;
    /// What the guest sends is not looked at, so its checksums do not matter.
    bool takes_offloads() const override { return true; }
    WireCounters counters() const override;
    std::string describe() const override { return description_; }

  private:
    using Clock = EventLoop::Clock;
    /// Frames in a turn of the loop: others have their turn some ten thousand times a second.
    static constexpr std::uint64_t turn_budget = 512;

    GenerateWire(const WireOptions& options, EventLoop& loop, const GeneratedTraffic& traffic);
    void start_ticking();
    void learn_guest(std::span<const std::byte> frame);
    /// Delivers what is due, as far as the guest takes it and the turn's budget lasts.
    void work();
    /// Frames whose time has come and that were not sent, those too old taken away.
    std::uint64_t due();
    std::uint64_t left() const noexcept;
    /// Whether `frames` went out; else the guest has no buffers, or is gone.
    bool deliver_burst(std::uint64_t frames);

    GeneratedFrames frames_;
    std::string description_;
    bool learns_destination_;
    MacAddress guest_;                   ///< where frames_ go to
    unsigned patience_;                  ///< frames refused in a row before we wait
    unsigned refused_ = 0;               ///< so far
    std::optional<std::uint64_t> most_;  ///< frames altogether
    double rate_ = 0;                    ///< frames a second; 0: as fast as possible
    Deliver deliver_;
    bool running_ = false;     ///< the guest is there
    bool starved_ = false;     ///< it has no buffers
    bool working_ = false;     ///< a buffer that comes while we deliver is found without being told
    Clock::time_point start_;  ///< of the schedule
    std::uint64_t scheduled_ = 0;  ///< frames of the schedule that were sent, or came too late
    std::uint64_t made_ = 0;       ///< frames since ever, those dropped included
    WireCounters::Direction from_guest_;
    WireCounters::Direction to_guest_;
    EventLoop::Timer continue_;  ///< in the next turn
    UniqueFd ticks_;             ///< of a rate
    EventLoop::FdWatch ticks_watch_;
};

}  // namespace skbtrail::device
