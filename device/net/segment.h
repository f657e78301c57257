// Segmentation in software: a frame that the sender left to be cut, cut into frames that fit.
//
// A frame with a gso_type stands for several (virtio 1.3, 5.1.6): its payload is larger than the
// link takes, and whoever hands it on to somebody who takes no such frames has to cut it:
//
//   gso_tcp4, gso_tcp6  TCP segments of gso_size bytes each: sequence numbers go on, FIN and PSH
//                       are the last one's, CWR is the first one's (RFC 3168: said once)
//   gso_udp_segments    UDP datagrams of gso_size bytes each (USO)
//   gso_udp             IP fragments of one UDP datagram (UFO), gso_size bytes of it in each
//
// Identifications of IPv4 count up; every length and checksum is new. The frame comes from a guest
// or from a network: nothing in it is believed that was not checked against its end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "device/wire/wire.h"

namespace skbtrail::device {

/// Why a frame cannot be cut.
enum class SegmentFault : std::uint8_t {
    not_ip,          ///< no IPv4 or IPv6 behind the Ethernet header and its VLAN tags
    other_protocol,  ///< not the protocol that gso_type names, or under headers we do not know
    cut_short,       ///< a header does not end in the frame
    fragment,        ///< part of a larger packet already
    checksum_place,  ///< checksum_start is not where the transport header is
    segment_size,    ///< 0, or for fragments less than the 8 bytes that they count in
    too_many,        ///< more than Segmenter::most_segments
};
std::string_view to_string(SegmentFault fault);

/// Cuts one frame after the other. Keeps its buffers, so that none is allocated per frame.
class Segmenter {
  public:
    /// A whole frame in segments of the least that TCP uses (48 bytes on Linux) has fewer. More
    /// would let a guest keep the device busy with a single descriptor.
    static constexpr std::size_t most_segments = 2048;

    /// Begins with `frame`, whose bytes must stay until done() or keep(). What was left of an
    /// earlier frame is forgotten.
    tl::expected<void, SegmentFault> start(const Frame& frame);

    /// Nothing is left.
    bool done() const noexcept { return index_ == count_; }
    /// Frames that are left, the one in front included.
    std::size_t left() const noexcept { return count_ - index_; }
    /// The frame in front, complete. Valid until pop(). There must be one.
    const Frame& front();
    void pop();
    /// The bytes that start() got will be gone: keeps a copy of them.
    void keep();
    /// Forgets what is left.
    void clear() noexcept { index_ = count_ = 0; }

  private:
    /// Where the headers are.
    struct Layout {
        std::size_t network = 0;
        std::size_t transport = 0;
        bool ipv6 = false;
        std::uint8_t protocol = 0;
        /// Only headers that every fragment repeats (RFC 8200, 4.5) are before the transport's.
        bool can_fragment = true;
        /// Where the number of the transport protocol stands.
        std::size_t protocol_field = 0;
    };

    static tl::expected<Layout, SegmentFault> find_headers(std::span<const std::byte> frame);
    static tl::expected<Layout, SegmentFault> find_ipv6(std::span<const std::byte> frame,
                                                        Layout layout);

    void begin_fragments();
    void build();
    void finish_tcp(std::size_t offset, bool last);
    void finish_fragment(std::size_t offset, bool last);
    void finish_transport_checksum(std::size_t field);
    void finish_network();

    std::span<const std::byte> source_;
    std::vector<std::byte> kept_;
    FrameOffload offload_;
    unsigned queue_pair_ = Frame::any_pair;
    Layout layout_;
    std::size_t payload_ = 0;  ///< where in the source that begins which is shared out
    std::size_t unit_ = 0;     ///< bytes of it in each segment but the last
    std::size_t headers_ = 0;  ///< of each segment
    std::size_t count_ = 0;    ///< segments in all
    std::size_t index_ = 0;    ///< the one in front
    bool built_ = false;       ///< segment_ is the one in front
    std::vector<std::byte> segment_;
    Frame frame_;
    std::uint32_t identification_ = 0;     ///< of the fragments of an IPv6 packet
    std::uint16_t datagram_checksum_ = 0;  ///< of a datagram that goes out in fragments
    std::minstd_rand identifications_{std::random_device{}()};
};

}  // namespace skbtrail::device
