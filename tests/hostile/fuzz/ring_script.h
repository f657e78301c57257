// What a driver and a wire do to a device, step by step, as a fuzzer's bytes say it.
//
//   u64                       features: those are negotiated that the bench has
//   u8                        bit 0: the wire takes offloads
//   then steps: u8 step, its operands
#pragma once

#include <cstdint>

namespace skbtrail::hostile {

/// Steps, each with its operands in order; they mean what split_rings.cpp and packed_rings.cpp make
/// of them. "queue" is u8, 0 receive and 1 transmit.
enum class RingStep : std::uint8_t {
    send,        ///< u8 pieces and flags, u8[12] header, u16 length: an honest frame, and a kick
    give,        ///< u8 pieces and flags, u16 length: an honest receive buffer
    descriptor,  ///< queue, u8 index, u32 length, u16 flags, u16 next, place
    head,        ///< queue, u16: makes that available
    index,       ///< queue, u16: the available index; packed: flags of the next descriptor
    kick,        ///< queue
    deliver,     ///< u16 length, u8 flags, u16 start, u16 offset, u8 gso, u16 size: from the wire
    poke,        ///< u16 offset, u8 count, bytes: anything, anywhere in the first 64 KiB
    restart,     ///< queue, u16 base
    enable,      ///< queue, u8
    suppress,    ///< queue, u16 used_event, u16 available flags
    collect,     ///< queue: the driver takes what was returned
    truncate,    ///< u8 pages: the file behind the memory is cut; the driver is silent then
    status,      ///< u8: the device status field
    events,      ///< queue, u8: the call descriptor is absent, saturated, or fresh
    turn,        ///< the loop turns
};
inline constexpr unsigned ring_steps = 16;

/// Operand "place": where a descriptor points. u8, and for the last two u64.
enum class Place : std::uint8_t {
    fresh,      ///< to memory of its own, as long as the length says, at most 64 KiB
    table,      ///< to the descriptor table itself
    available,  ///< to the available ring
    used,       ///< to the used ring
    relative,   ///< that far into memory
    absolute,   ///< anywhere
};
inline constexpr unsigned places = 6;

/// Bits of "pieces and flags".
inline constexpr std::uint8_t pieces_mask = 0x0f;
inline constexpr std::uint8_t piece_indirect = 0x80;

}  // namespace skbtrail::hostile
