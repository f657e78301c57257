// The state of the NIC as JSON. docs/nic.md describes every member.
#pragma once

#include <nlohmann/json.hpp>

#include "device/control/debugger.h"
#include "device/control/nic_view.h"

namespace skbtrail::device {

using Json = nlohmann::ordered_json;

Json state_json(const NicView& nic);
Json breakpoints_json(const Debugger& debugger);
Json faults_json(const FaultSet& faults);
/// The line that clients are told when a queue stops.
Json stop_json(const Debugger::Stop& stop);

}  // namespace skbtrail::device
