// What a front end does to a NIC, step by step, as a fuzzer's bytes say it.
//
//   u8                        bit 0: the configuration space is served
//   then steps: u8 step, its operands
#pragma once

#include <cstdint>

namespace skbtrail::hostile {

enum class MessageStep : std::uint8_t {
    /// u8 request, u8 shape, u8[shape & 0x0f] kinds of descriptors, u16 length, payload: a message
    /// with a true header.
    message,
    raw,      ///< u8 length, bytes: anything on the socket
    poke,     ///< u16 offset, u8 count, bytes: into the guest's memory
    signal,   ///< u8: one of the kick descriptors that were sent
    deliver,  ///< u16 length: a frame from the wire
    turn,     ///< the loop turns
    drain,    ///< the front end reads its replies
    hang_up,  ///< the front end leaves; a new one comes
};
inline constexpr unsigned message_steps = 8;

// Bits of "shape".
inline constexpr std::uint8_t descriptors_mask = 0x0f;
inline constexpr std::uint8_t wants_reply = 0x10;
inline constexpr std::uint8_t split_header = 0x20;   ///< the header goes out byte by byte
inline constexpr std::uint8_t split_payload = 0x40;  ///< the payload goes out in two pieces

/// What kind of descriptor comes with a message.
enum class Descriptor : std::uint8_t {
    memory,     ///< the guest's memory, a memfd of memory_bytes
    event,      ///< a fresh eventfd
    saturated,  ///< an eventfd that cannot be signalled any more
    pipe_read,
    pipe_write,
    null,   ///< /dev/null
    small,  ///< a memfd of one page
    empty,  ///< a memfd of no bytes
    socket,
};
inline constexpr unsigned descriptors = 9;

inline constexpr std::uint64_t memory_bytes = 0x20000;
/// Where the guest and the front end have its first byte.
inline constexpr std::uint64_t memory_guest = 0x100000;
inline constexpr std::uint64_t memory_user = 0x7f0000000000;

}  // namespace skbtrail::hostile
