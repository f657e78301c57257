// A ring event as a line of JSON: the ring events of a recording (docs/recording.md).
#pragma once

#include <cstddef>
#include <cstdint>

#include <fmt/format.h>

#include "device/net/event_ring.h"

namespace skbtrail::device {

/// Appends the event of `ring` that is `skip` slots behind the oldest, and which must be there, as
/// a line. Returns how many slots it takes; they are not released.
std::size_t format_oldest(const EventRing& ring, std::size_t skip, fmt::memory_buffer& to);

/// Appends the line that says how many events are not there: event "lost", in the words of the
/// other events so that their readers can read it.
void format_lost(std::uint64_t sequence, std::uint64_t count, fmt::memory_buffer& to);

}  // namespace skbtrail::device
