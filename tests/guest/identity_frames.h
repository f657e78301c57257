// Frames with serial numbers for a guest, and what has to become of each.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace skbtrail::tests {

/// What a frame is for: the guest's rules (identity/prepare.sh) and sockets (identity/run.sh)
/// decide.
enum class Errand : std::uint8_t {
    delivered,  ///< UDP to the socket that listens
    nobody,     ///< UDP to a port without a socket
    filtered,   ///< UDP to a port that netfilter drops
    spoilt,     ///< UDP with a wrong checksum
    tagged,     ///< UDP with a VLAN's tag, which nobody there is in
    forwarded,  ///< UDP to another network, by source NAT
    fragment,   ///< a fragment of a datagram for the socket that listens
    segment,  ///< one of a burst of TCP segments, which GRO may merge, for a port without a socket
    sent,     ///< UDP from the guest
    cut,      ///< a segment of what the guest sent for the kernel to cut (UDP_SEGMENT)
    piece,    ///< a fragment of a datagram from the guest
};

const char* name_of(Errand errand);

struct SerialFrame {
    std::uint32_t serial = 0;
    Errand errand = Errand::delivered;
    /// The serial number of the first one of its datagram, burst or message; its own if it is
    /// alone.
    std::uint32_t first = 0;
};

/// Writes about `count` frames to a capture file that the wire plays, the errands well mixed: the
/// same for the same `seed`. The first frame is a spare one, the next two seconds later.
std::vector<SerialFrame> write_frames(const std::filesystem::path& path, std::size_t count,
                                      std::uint32_t seed);

/// A frame that a capture of the NIC has.
struct CapturedFrame {
    std::vector<std::uint32_t>
        serials;  ///< one, or more in a frame that was merged or is to be cut
    bool from_guest = false;
    std::uint16_t ip_id = 0;  ///< of its IPv4 header; 0: it has none
};

/// The frames with serial numbers in the NIC's capture. Throws std::runtime_error for a file that
/// is none.
std::vector<CapturedFrame> read_capture(const std::filesystem::path& path);

/// Where the serial number stands in a recording: the value of the header "payload" begins so.
std::string payload_word(std::uint32_t serial);

}  // namespace skbtrail::tests
