// Lock-step: the guest's cards do nothing while the guest does something.
//
// On a clock that counts instructions the same work takes the same time in every boot, unless
// something from outside falls into it: an interrupt for a frame lands inside whatever runs just
// then, and a buffer is given back before or after the driver has looked. So everything waits until
// the guest is idle: what it has transmitted is taken from the ring then, and frames come to it one
// by one, the next when it has slept, woken up and gone to sleep again.
#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <vector>

#include "labs/runner/nic_control.h"
#include "labs/runner/processor_thread.h"

namespace skbtrail::labs {

/// What one look came to.
enum class LockStepAct : std::uint8_t {
    nothing,      ///< nothing waits, or the guest is at work
    took,         ///< what the guest had transmitted was taken
    gave,         ///< a frame was given to the guest
    guest_ended,  ///< there is no guest any more
};

class LockStep {
  public:
    using Look = std::function<std::optional<Sleep>()>;

    /// Holds everything from now on: made before the guest's drivers come up. `controls`: of each
    /// of its NICs; they have to outlive it.
    explicit LockStep(std::vector<NicControl*> controls);

    /// Looks at the guest twice, with `pause` between the looks, and does what may be done now.
    /// Throws CannotRun when a NIC has gone.
    LockStepAct act(const Look& look, const std::function<void()>& pause);

    /// Acts until it is told to stop, or the guest or the NIC has ended: whoever waits for these
    /// tells why.
    void run(const Look& look, const std::stop_token& stop);

  private:
    /// Takes what the guest has transmitted, of all NICs; whether there was anything. `holds`: what
    /// each holds.
    bool take_transmitted(const std::vector<NicHolds>& holds);
    /// Gives the guest one frame, of the first NIC that has one; whether any had.
    bool give_frame(const std::vector<NicHolds>& holds);

    std::vector<NicControl*> controls_;
    /// How often the guest had slept when it was given a frame: that it sleeps is no news until it
    /// has woken up.
    std::optional<std::uint64_t> given_at_;
    unsigned unchanged_ = 0;  ///< looks since it last woke up or went to sleep
    unsigned patience_ = 0;   ///< looks since then at a guest that does not wake up
};

}  // namespace skbtrail::labs
