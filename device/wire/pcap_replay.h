// A wire that plays a capture file to the guest. What the guest sends is counted and is gone.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "device/event_loop.h"
#include "device/wire/delivery_queue.h"
#include "device/wire/pcap_file.h"
#include "device/wire/precise_timer.h"
#include "device/wire/spec.h"
#include "device/wire/wire.h"

namespace skbtrail::device {

class PcapWire final : public Wire {
  public:
    static std::span<const WireOption> options();

    /// Throws std::invalid_argument for an option that makes no sense, std::runtime_error when the
    /// file cannot be played.
    PcapWire(const WireOptions& options, EventLoop& loop);

    void attach(Deliver deliver) override { to_guest_.attach(std::move(deliver)); }
    void transmit(const Frame& frame) override;
    void on_receive_ready() override;
    void on_receive_stopped() override;
    void on_guest_left() override;
    /// What the guest sends is not looked at.
    bool takes_offloads() const override { return true; }
    WireCounters counters() const override;
    std::string describe() const override;

  private:
    using Clock = EventLoop::Clock;
    /// Frames in a turn of the loop.
    static constexpr std::size_t turn_budget = 256;

    /// Frames whose time has come, as far as the turn's budget lasts.
    void work();
    /// The frame that is next, read if need be; none when all was played.
    const PcapFile::Record* next_frame();
    /// When that frame is due.
    Clock::time_point due(const PcapFile::Record& frame) const;
    bool deliver(const PcapFile::Record& frame);

    std::string path_;
    PcapFile file_;
    double speed_ = 1;  ///< 0: as fast as possible
    std::uint64_t rounds_left_;
    std::optional<PcapFile::Record> next_;
    bool round_has_frames_ = false;  ///< a file without frames is not read for ever
    bool finished_ = false;
    bool running_ = false;  ///< the guest is there
    bool starved_ = false;  ///< as fast as possible, or about to begin, and it has no buffers
    /// The schedule: the frame of this time was due then. Set anew after a pause.
    std::optional<std::chrono::nanoseconds> first_time_;
    Clock::time_point start_;
    std::uint64_t played_ = 0;
    std::uint64_t cut_ = 0;  ///< frames of which the file has only the beginning
    WireCounters::Direction from_guest_;
    DeliveryQueue to_guest_;
    EventLoop::Timer continue_;  ///< in the next turn
    PreciseTimer at_;            ///< at the next frame's time
};

}  // namespace skbtrail::device
