// What the control socket knows of the NIC around the device.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "device/control/oversight.h"
#include "device/net/ring_events.h"
#include "device/result.h"
#include "device/wire/wire.h"

namespace skbtrail::device {

struct FrontEndView {
    bool connected = false;
    std::uint64_t offered_protocol_features = 0;
    std::uint64_t protocol_features = 0;
};

struct NicView {
    Oversight& oversight;
    const Wire& wire;
    const RingEventLog* events = nullptr;  ///< nullptr: none are recorded
    std::function<FrontEndView()> front_end;
    /// Whether there was a front end to leave.
    std::function<bool()> disconnect;
    std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now();
};

}  // namespace skbtrail::device
