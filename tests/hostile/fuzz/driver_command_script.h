// What a driver writes into its control virtqueue, step by step, as a fuzzer's bytes say it.
//
//   u64                       features: those are negotiated that are offered
//   then steps: u8 shape, u8[shape & 0x0f] lengths of pieces, u16 length, the command (class,
//   command, data), u8[18] the first bytes of a frame that comes from the wire then
#pragma once

#include <cstddef>
#include <cstdint>

namespace skbtrail::hostile {

// Bits of "shape".
inline constexpr std::uint8_t command_cuts_mask = 0x0f;
inline constexpr std::uint8_t command_indirect = 0x40;
inline constexpr std::uint8_t command_without_answer = 0x80;

/// Addresses, a VLAN tag, a type.
inline constexpr std::size_t frame_head_bytes = 18;

}  // namespace skbtrail::hostile
