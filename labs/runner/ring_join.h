// Joins what the NIC saw at its rings with the packets of a recording.
//
// By address, never by time: host and guest have different clocks, and the NIC may be late. Where
// the driver hands a packet to the ring (start_xmit, xmit_skb), the packet's bytes begin at
// head + data; minus the start of the kernel's direct map that is the guest-physical address that
// the driver writes into a descriptor. The descriptor that contains it carries that packet. Where
// the driver takes a packet from the ring, the collector saw the address of the receive buffer
// (Packet::arrived_in), also when the packet was copied from there. A packet that fills several
// buffers is joined with the first of them.
//
// An address is used again by later packets, at another NIC, too, and the NICs have also seen what
// happened before the recording began. So the occurrences of one address are counted from the end:
// the last recorded transmission from there is the last descriptor with it, and so on backwards; so
// with arrivals. A length that does not fit rules a descriptor out.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tracer/chain/recording.h"

namespace skbtrail::labs {

/// Reads the events file of the guest's NIC number `nic`, from 0: a ring event per line. A last
/// line without a newline is ignored: the NIC was killed while it wrote. Throws chain::FormatError
/// that names the line.
std::vector<chain::RingEvent> parse_ring_events(std::string_view text, unsigned nic = 0);

/// What came of joining.
struct RingJoin {
    std::size_t transmissions = 0;  ///< calls that handed a packet to a ring
    std::size_t arrivals = 0;       ///< packets that came in a receive buffer
    std::size_t joined = 0;         ///< those whose descriptor was found, of both
    std::string note;               ///< why none could be, when none could
};

/// Sets `packet` of ring events in `recording`: of the `available` event whose descriptors carried
/// a packet, and of the `used` event that gave them back.
RingJoin join_ring_events(chain::Recording& recording);

}  // namespace skbtrail::labs
