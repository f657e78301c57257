// Whether a driver wants to be called (interrupted), and the arithmetic that says so.
#pragma once

#include <cstdint>

namespace skbtrail::device {

/// What a ring decides about what was published since its last decision (virtio 1.3, 2.7.7 and
/// 2.8.10). Indexes: split, free-running; packed, place in the ring with the wrap counter in
/// bit 15.
struct CallDecision {
    bool wanted = false;
    bool pending = false;      ///< whether anything was published since the last decision
    bool by_event = false;     ///< decided by an index the driver has set, not by its flag
    bool first = false;        ///< the first since the ring was opened: always wanted
    bool packed = false;       ///< which format's indexes these are
    bool astray = false;       ///< `event` is no place of the ring: always wanted
    std::uint16_t before = 0;  ///< used index at the last decision
    std::uint16_t now = 0;     ///< used index
    std::uint16_t event = 0;   ///< split: used_event as the driver set it; packed: its descriptor
};

}  // namespace skbtrail::device
