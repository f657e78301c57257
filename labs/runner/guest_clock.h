// What time is in the guest.
#pragma once

#include <cstdint>

namespace skbtrail::labs {

enum class GuestClock : std::uint8_t {
    real,          ///< the host's
    instructions,  ///< so much for each instruction: the same work takes the same (lock_step.h)
};

/// QEMU's `shift`: an instruction takes 2^shift nanoseconds. 250 million a second are about what
/// emulation does; a clock that runs much faster or slower than the host's would let the guest's
/// timers end before the wire has answered, or keep its user waiting.
inline constexpr unsigned instruction_clock_shift = 2;
inline constexpr unsigned nanoseconds_per_instruction = 1U << instruction_clock_shift;

/// "real" or "instructions".
constexpr const char* to_string(GuestClock clock) {
    return clock == GuestClock::instructions ? "instructions" : "real";
}

}  // namespace skbtrail::labs
