// Which notification of a virtqueue came with a buffer: kicks and calls are about batches, and name
// no packet.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "tracer/chain/recording.h"

namespace skbtrail::labs {

/// Whether the event is a kick that was made, or one that was suppressed.
bool is_kick(const chain::RingEvent& event);
/// Whether the event is a call that was made, or one that was suppressed.
bool is_call(const chain::RingEvent& event);

/// "kick" for "kick_suppressed" and so on: what the notification would have been the other way.
std::string other_notice(std::string_view event);

/// The kick, or the suppressed one, by which the NIC came to the buffer that the driver made
/// available in `events[available]`: what the NIC finds is behind it, up to the call that ends the
/// batch. Null where there is none (the NIC looked again before it slept), where events were lost
/// in between, and for a receive queue: its buffers wait, and a frame takes them.
const chain::RingEvent* kick_of(const std::vector<chain::RingEvent>& events, std::size_t available);

/// The call, or the suppressed one, that ended the batch in which the NIC gave a buffer back in
/// `events[used]`. Null where events were lost before it came.
const chain::RingEvent* call_of(const std::vector<chain::RingEvent>& events, std::size_t used);

}  // namespace skbtrail::labs
