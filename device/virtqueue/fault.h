// What a driver can do wrong with a ring. Each ends that ring, and that ring alone.
#pragma once

#include <cstdint>
#include <string>

#include <tl/expected.hpp>

namespace skbtrail::device {

enum class RingFaultKind : std::uint8_t {
    bad_size,                 ///< larger than max_ring_size; split: not a power of two
    bad_base,                 ///< a place to go on at that the ring does not have
    misaligned,               ///< a part of the ring at an address it must not have
    unmapped_ring,            ///< a part of the ring is not in the guest's memory
    available_jump,           ///< the available index ran further ahead than the ring is long
    ring_overrun,             ///< packed: offered over descriptors that were not returned yet
    offer_withdrawn,          ///< packed: a descriptor that was available is not any more
    head_out_of_range,        ///< an available entry names a descriptor past the table
    next_out_of_range,        ///< a descriptor's next is past its table
    loop,                     ///< a chain longer than its table: it comes back to itself
    chain_too_long,           ///< more buffers in a chain than a device has to take
    indirect_not_negotiated,  ///< INDIRECT without VIRTIO_F_INDIRECT_DESC
    indirect_bad_length,      ///< an indirect table of no entries, or of a fraction of one
    indirect_nested,          ///< an indirect descriptor in an indirect table
    indirect_with_next,       ///< INDIRECT and NEXT in one descriptor
    indirect_unmapped,        ///< the indirect table is not in the guest's memory
    buffer_empty,             ///< a descriptor of length 0
    buffer_unmapped,          ///< (part of) a buffer is not in the guest's memory
    buffer_too_large,         ///< a chain of 4 GiB or more
    wrong_order,              ///< a device-readable descriptor after a device-writable one
    wrong_direction,          ///< writable in a transmit queue, readable in a receive queue
    chain_too_short,          ///< no room for the virtio-net header
    bad_header,               ///< a virtio-net header that lies or asks for what was not negotiated
    bad_inflight,             ///< what is noted of chains in flight cannot be about this ring
    memory_lost,              ///< the file behind the guest's memory was cut short
};

/// The kind as a word for logs and tests: "available_jump".
const char* to_string(RingFaultKind kind);

struct RingFault {
    RingFaultKind kind;
    std::string message;  ///< for a person, with the numbers
};

inline tl::unexpected<RingFault> ring_fault(RingFaultKind kind, std::string message) {
    return tl::make_unexpected(RingFault{kind, std::move(message)});
}

}  // namespace skbtrail::device
