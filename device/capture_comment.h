// What a capture says beside a frame: where in the guest's memory it lay.
#pragma once

#include <string>

#include "device/net/net_queue.h"

namespace skbtrail::device {

/// `queue 1 (transmit), head 3: 0x5c00:12+0x7f02:98`: the virtqueue, and for each chain its head
/// and its descriptors, each as address:length (in hexadecimal and in bytes), in the order of the
/// chain. Several chains (mergeable receive buffers) are separated by "; ".
std::string capture_comment(const TappedFrame& frame);

}  // namespace skbtrail::device
