// Faults of queues: interrupts, receive buffers, completions.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "device/event_loop.h"
#include "device/faults/fault.h"
#include "device/net/queue_gate.h"
#include "device/wire/precise_timer.h"

namespace skbtrail::device {

/// What the faults do to queues; called from the loop.
struct QueueActions {
    std::function<void(unsigned queue)> poke;
    std::function<void(unsigned queue)> call_late;
    /// Whether IN_ORDER was negotiated: chains cannot be returned out of order then, because one
    /// returned chain says that all before it are.
    std::function<bool()> in_order;
};

class QueueFaults final : public QueueGate {
  public:
    /// `faults` must outlive it.
    QueueFaults(FaultSet& faults, unsigned queues, EventLoop& loop, QueueActions actions);

    std::size_t may_take(unsigned queue, std::size_t wanted) override;
    bool may_pass(unsigned /*queue*/, const Chain& /*chain*/,
                  std::span<const std::byte> /*frame*/) override {
        return true;
    }
    Completion on_complete(unsigned queue, const Chain& chain) override;
    void releases(unsigned queue, std::size_t kept, std::vector<std::size_t>& now) override;
    CallVerdict on_call(unsigned queue, bool wanted) override;
    void on_kick(unsigned /*queue*/) override {}
    void on_stopped(unsigned queue) override;

    /// Faults were added or removed: what those that are gone have kept back goes on.
    void faults_changed();

  private:
    using Clock = EventLoop::Clock;

    struct QueueState {
        std::optional<Clock::time_point> starved_until;
        bool starved_before = false;  ///< the next frame was refused already, and may pass
        std::uint64_t completed = 0;  ///< chains since the last call
        bool call_owed = false;       ///< coalesced: a call was wanted and put off
        bool release_all = false;     ///< what is withheld has waited long enough
    };
    enum class Due : std::uint8_t { buffers, late_call, coalesced, release };

    /// The faults of a kind that concern a queue, each asked; the first that strikes.
    Fault* strikes(FaultKind kind, unsigned queue);
    Fault* present(FaultKind kind, unsigned queue) const;
    void at(Clock::time_point when, Due what, unsigned queue);
    /// Whether there was one.
    bool cancel(Due what, unsigned queue);
    void fire();

    FaultSet& faults_;
    QueueActions actions_;
    std::vector<QueueState> queues_;
    std::multimap<Clock::time_point, std::pair<Due, unsigned>> due_;
    PreciseTimer timer_;
};

}  // namespace skbtrail::device
