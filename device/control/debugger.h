// Pausing, stepping, breakpoints and held replies: the gate of whoever watches the NIC at work.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "device/control/breakpoint.h"
#include "device/net/queue_gate.h"

namespace skbtrail::device {

/// Queues may be held for two reasons at once, each ended by its own command: paused (by pause, or
/// at a breakpoint, or after a step), and, receive queues only, frames held (lock-step: the guest
/// gets a frame when it is released).
///
/// A step lets a number of chains (transmit) or frames (receive) through a held queue. A step to
/// the next notification runs the queue until it has called, decided not to, or been kicked.
class Debugger final : public QueueGate {
  public:
    /// A queue stopped at a breakpoint, or a step is over.
    struct Stop {
        unsigned queue = 0;
        QueueMoment moment{};
        std::optional<unsigned> breakpoint;  ///< its number; none: a step to a notification
        std::optional<std::uint16_t> index;  ///< of the chain, where there is one
        std::optional<std::uint16_t> head;
        std::size_t length = 0;  ///< of the frame
    };
    struct NumberedBreakpoint {
        unsigned number = 0;
        Breakpoint breakpoint;
        std::uint64_t hits = 0;
    };
    struct QueueView {
        bool paused = false;
        bool frames_held = false;
        bool asked = false;       ///< something waits behind the hold: chains, or a frame
        std::uint64_t steps = 0;  ///< chains or frames that may still pass
    };
    static constexpr std::size_t most_breakpoints = 64;

    /// `on_stop`: told from inside a queue's work. `poke`: makes a queue look again.
    Debugger(unsigned queues, std::function<void(const Stop&)> on_stop,
             std::function<void(unsigned)> poke);

    /// Whether it has anything to say: what has not needs no place in the queues' way.
    bool active() const noexcept;

    void pause(unsigned queue) { queues_[queue].paused = true; }
    void resume(unsigned queue);
    /// Lets `count` through; what is not paused is paused behind them.
    void step(unsigned queue, std::uint64_t count);
    void step_to_notification(unsigned queue);
    /// Frames to the guest wait from now on.
    void hold_frames();
    /// Lets `count` frames to the guest; none: all, and no more are held.
    void release_frames(std::optional<std::uint64_t> count);
    bool holds_frames() const noexcept { return frames_held_; }
    std::uint64_t frame_credits() const noexcept { return frame_credits_; }

    /// Its number. Fails when there are too many.
    Result<unsigned> add(Breakpoint breakpoint);
    bool remove(unsigned number);
    const std::vector<NumberedBreakpoint>& breakpoints() const noexcept { return breakpoints_; }
    QueueView view(unsigned queue) const;

    /// Everything runs again, and all breakpoints are gone.
    void clear();

    std::size_t may_take(unsigned queue, std::size_t wanted) override;
    bool may_pass(unsigned queue, const Chain& chain, std::span<const std::byte> frame) override;
    Completion on_complete(unsigned queue, const Chain& chain) override;
    void releases(unsigned /*queue*/, std::size_t /*kept*/,
                  std::vector<std::size_t>& /*now*/) override {}
    CallVerdict on_call(unsigned queue, bool wanted) override;
    void on_kick(unsigned queue) override;
    void on_stopped(unsigned queue) override;

  private:
    struct QueueHold {
        bool paused = false;
        bool asked = false;
        bool to_notification = false;  ///< runs until one, then pauses
        std::uint64_t steps = 0;
        /// The chain that stopped here and may pass when it comes again.
        std::optional<std::uint16_t> stopped_at;
    };

    static bool receives(unsigned queue) noexcept { return queue % 2 == 0; }
    /// Stops the queue if a breakpoint says so.
    bool check(unsigned queue, QueueMoment moment, const ChainSight* sight);
    void notification(unsigned queue, QueueMoment moment);

    std::vector<QueueHold> queues_;
    bool frames_held_ = false;
    std::uint64_t frame_credits_ = 0;  ///< frames that may still pass, whatever queue they take
    std::vector<NumberedBreakpoint> breakpoints_;
    unsigned next_number_ = 1;
    std::function<void(const Stop&)> on_stop_;
    std::function<void(unsigned)> poke_;
};

}  // namespace skbtrail::device
