// Whether a device wants to be kicked (notified), and the arithmetic that says so to the driver.
#pragma once

#include <cstdint>

namespace skbtrail::device {

/// What the device had asked for concerning chains that became available since its last look
/// (virtio 1.3, 2.7.10 and 2.8.10): the driver's decision, worked out from the device's side.
///
/// The driver reads the wish when it has made its chains available. Where the wish changed while it
/// did, only the driver knows which one it read; no decision counts such chains. Indexes: split,
/// free-running; packed, place in the ring with the wrap counter in bit 15.
struct KickDecision {
    bool pending = false;      ///< whether any became available
    bool wanted = false;       ///< a kick was due for one of them
    bool by_event = false;     ///< decided by an index the device has set, not by its flag
    bool packed = false;       ///< which format's indexes these are
    std::uint16_t before = 0;  ///< how far the device had seen
    std::uint16_t now = 0;     ///< how far it sees
    std::uint16_t event = 0;   ///< split: avail_event as the device set it; packed: its descriptor
};

}  // namespace skbtrail::device
