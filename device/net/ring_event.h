// One ring event, as the event loop writes it down: binary, because a line of JSON costs more than
// moving a frame.
#pragma once

#include <cstdint>

namespace skbtrail::device {

enum class RingEventKind : std::uint8_t {
    available,
    used,
    kick,
    kick_suppressed,
    call,
    call_suppressed
};

/// Half a slot of the EventRing. What does not apply to a kind is 0.
struct RingEvent {
    std::uint64_t sequence = 0;     ///< the log's count of events, from 1
    std::int64_t time = 0;          ///< CLOCK_MONOTONIC in ns
    std::uint32_t length = 0;       ///< bytes; of notifications: where the other side wants one
    std::uint16_t index = 0;        ///< in the ring, free-running; of calls: the used index
    std::uint16_t head = 0;         ///< of notifications: the index at the decision before
    std::uint16_t descriptors = 0;  ///< how many follow, that of a table among them
    RingEventKind kind{};
    std::uint8_t queue = 0;
    std::uint8_t flags = 0;  ///< of notifications: decided_*; of available: in_a_table
};
static_assert(sizeof(RingEvent) == 32);

/// Flag of available: the last descriptor is that of an indirect table.
inline constexpr std::uint8_t in_a_table = 1;

// Flags of call, call_suppressed and kick_suppressed: how that was decided.
inline constexpr std::uint8_t decided_wanted = 1;     ///< the driver wants a call
inline constexpr std::uint8_t decided_by_event = 2;   ///< by used_event, not by a flag
inline constexpr std::uint8_t decided_first = 4;      ///< the first since the ring was started
inline constexpr std::uint8_t decided_delivered = 8;  ///< there was somebody to wake
inline constexpr std::uint8_t decided_gated = 16;     ///< a fault or a person had a say
inline constexpr std::uint8_t decided_packed = 32;    ///< indexes are places of a packed ring
inline constexpr std::uint8_t decided_astray = 64;    ///< the driver named no place of the ring

struct RingEventDescriptor {
    std::uint64_t address = 0;  ///< guest-physical
    std::uint32_t length = 0;
    std::uint16_t flags = 0;    ///< VIRTQ_DESC_F_WRITE, VIRTQ_DESC_F_NEXT
    std::uint16_t entries = 0;  ///< of a table: how many of the buffers before stand in it
};
static_assert(sizeof(RingEventDescriptor) == 16);

}  // namespace skbtrail::device
