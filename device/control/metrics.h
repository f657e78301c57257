// The counters of the NIC as Prometheus reads them (text exposition format 0.0.4).
#pragma once

#include <string>

#include "device/control/nic_view.h"

namespace skbtrail::device {

std::string metrics_text(const NicView& nic);

}  // namespace skbtrail::device
