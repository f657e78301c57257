#include "device/net/segment.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <net/ethernet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>

#include "device/net/checksum.h"
#include "device/net/vlan.h"
#include "device/wire/network_bytes.h"

namespace skbtrail::device {

namespace {

using Bytes = std::span<const std::byte>;

constexpr std::size_t ipv4_bytes = 20;
constexpr std::size_t ipv6_bytes = 40;
constexpr std::size_t tcp_bytes = 20;
constexpr std::size_t udp_bytes = 8;
constexpr std::size_t fragment_header_bytes = 8;
/// IPv6 extension headers before the transport's: more than any sender has reason for.
constexpr unsigned most_extensions = 8;

constexpr std::size_t largest_packet = 65535;
/// Offsets of fragments count in these (RFC 791, RFC 8200).
constexpr std::size_t fragment_unit = 8;
constexpr std::uint16_t more_fragments = 0x2000;
constexpr std::uint16_t fragment_offset_mask = 0x1fff;

constexpr std::size_t tcp_checksum = 16;
constexpr std::size_t udp_checksum = 6;

std::uint8_t without_ecn(std::uint8_t gso_type) {
    return static_cast<std::uint8_t>(gso_type & ~gso_ecn);
}

std::uint8_t without(std::uint8_t flags, unsigned bits) {
    return static_cast<std::uint8_t>(flags & ~bits);
}

tl::unexpected<SegmentFault> fault(SegmentFault what) {
    return tl::unexpected(what);
}

}  // namespace

std::string_view to_string(SegmentFault fault) {
    switch (fault) {
        case SegmentFault::not_ip:
            return "not_ip";
        case SegmentFault::other_protocol:
            return "other_protocol";
        case SegmentFault::cut_short:
            return "cut_short";
        case SegmentFault::fragment:
            return "fragment";
        case SegmentFault::checksum_place:
            return "checksum_place";
        case SegmentFault::segment_size:
            return "segment_size";
        case SegmentFault::too_many:
            return "too_many";
    }
    return "unknown";
}

tl::expected<void, SegmentFault> Segmenter::start(const Frame& frame) {
    clear();
    built_ = false;
    source_ = frame.bytes;
    offload_ = frame.offload;
    queue_pair_ = frame.queue_pair;
    const auto found = find_headers(source_);
    if (!found) {
        return fault(found.error());
    }
    layout_ = *found;
    const std::uint8_t type = without_ecn(offload_.gso_type);
    const bool tcp = type == gso_tcp4 || type == gso_tcp6;
    if (layout_.protocol != (tcp ? IPPROTO_TCP : IPPROTO_UDP) ||
        (tcp && layout_.ipv6 != (type == gso_tcp6)) ||
        (!tcp && type != gso_udp && type != gso_udp_segments)) {
        return fault(SegmentFault::other_protocol);
    }
    if (offload_.needs_checksum && offload_.checksum_start != layout_.transport) {
        return fault(SegmentFault::checksum_place);
    }
    std::size_t transport_bytes = udp_bytes;
    if (tcp && source_.size() >= layout_.transport + tcp_bytes) {
        // The data offset, in words of four bytes.
        transport_bytes =
            std::max(tcp_bytes, std::size_t{get8(source_, layout_.transport + 12)} >> 4 << 2);
    } else if (tcp) {
        return fault(SegmentFault::cut_short);
    }
    if (source_.size() < layout_.transport + transport_bytes) {
        return fault(SegmentFault::cut_short);
    }
    unit_ = offload_.gso_size;
    if (type == gso_udp) {
        if (!layout_.can_fragment) {
            return fault(SegmentFault::other_protocol);
        }
        begin_fragments();
    } else {
        payload_ = headers_ = layout_.transport + transport_bytes;
    }
    if (unit_ == 0) {
        return fault(SegmentFault::segment_size);
    }
    const std::size_t payload = source_.size() - payload_;
    if (headers_ + std::min(unit_, payload) - layout_.network > largest_packet) {
        return fault(SegmentFault::segment_size);
    }
    const std::size_t count = std::max<std::size_t>((payload + unit_ - 1) / unit_, 1);
    if (count > most_segments) {
        return fault(SegmentFault::too_many);
    }
    count_ = count;
    if (count == 1) {
        headers_ = payload_;  // a packet that is whole needs no fragment header
    }
    return {};
}

tl::expected<Segmenter::Layout, SegmentFault> Segmenter::find_headers(Bytes frame) {
    Layout layout;
    layout.network = ETHER_HDR_LEN;
    for (unsigned tags = 0;; ++tags) {
        if (frame.size() < layout.network) {
            return fault(SegmentFault::cut_short);
        }
        if (tags == most_vlan_tags || !is_vlan(get16(frame, layout.network - 2))) {
            break;
        }
        layout.network += vlan_tag_bytes;
    }
    const std::uint16_t ethertype = get16(frame, layout.network - 2);
    if (ethertype == ETHERTYPE_IPV6) {
        return find_ipv6(frame, layout);
    }
    if (ethertype != ETHERTYPE_IP) {
        return fault(SegmentFault::not_ip);
    }
    if (frame.size() < layout.network + ipv4_bytes) {
        return fault(SegmentFault::cut_short);
    }
    const std::uint8_t first = get8(frame, layout.network);
    const std::size_t header = std::size_t{first} % 16 * 4;
    if (first >> 4 != 4 || header < ipv4_bytes) {
        return fault(SegmentFault::not_ip);
    }
    if (frame.size() < layout.network + header) {
        return fault(SegmentFault::cut_short);
    }
    if ((get16(frame, layout.network + 6) & (more_fragments | fragment_offset_mask)) != 0) {
        return fault(SegmentFault::fragment);
    }
    layout.protocol = get8(frame, layout.network + 9);
    layout.transport = layout.network + header;
    return layout;
}

tl::expected<Segmenter::Layout, SegmentFault> Segmenter::find_ipv6(Bytes frame, Layout layout) {
    if (frame.size() < layout.network + ipv6_bytes) {
        return fault(SegmentFault::cut_short);
    }
    if (get8(frame, layout.network) >> 4 != 6) {
        return fault(SegmentFault::not_ip);
    }
    layout.ipv6 = true;
    layout.protocol_field = layout.network + 6;
    layout.transport = layout.network + ipv6_bytes;
    for (unsigned extensions = 0; extensions < most_extensions; ++extensions) {
        layout.protocol = get8(frame, layout.protocol_field);
        // Behind a routing header the checksum's pseudo header is not the address of this packet.
        if (layout.protocol != IPPROTO_HOPOPTS && layout.protocol != IPPROTO_DSTOPTS) {
            return layout.protocol == IPPROTO_FRAGMENT ? fault(SegmentFault::fragment)
                                                       : tl::expected<Layout, SegmentFault>(layout);
        }
        if (frame.size() < layout.transport + 8) {
            return fault(SegmentFault::cut_short);
        }
        layout.can_fragment = layout.can_fragment && layout.protocol == IPPROTO_HOPOPTS;
        layout.protocol_field = layout.transport;
        layout.transport += (std::size_t{get8(frame, layout.transport + 1)} + 1) * 8;
        if (frame.size() < layout.transport) {
            return fault(SegmentFault::cut_short);
        }
    }
    return fault(SegmentFault::other_protocol);
}

void Segmenter::begin_fragments() {
    payload_ = layout_.transport;
    headers_ = layout_.transport + (layout_.ipv6 ? fragment_header_bytes : 0);
    unit_ = unit_ / fragment_unit * fragment_unit;
    identification_ = static_cast<std::uint32_t>(identifications_());
    // Of the whole datagram: no fragment could tell it later.
    datagram_checksum_ = get16(source_, layout_.transport + udp_checksum);
    if (offload_.needs_checksum) {
        const auto sum =
            static_cast<std::uint16_t>(~internet_sum(source_.subspan(layout_.transport)));
        datagram_checksum_ = sum == 0 ? 0xffff : sum;
    }
}

const Frame& Segmenter::front() {
    if (!built_) {
        build();
        built_ = true;
    }
    return frame_;
}

void Segmenter::pop() {
    built_ = false;
    ++index_;
}

void Segmenter::keep() {
    if (source_.data() != kept_.data()) {
        kept_.assign(source_.begin(), source_.end());
        source_ = kept_;
    }
}

void Segmenter::build() {
    const std::size_t offset = index_ * unit_;
    const Bytes part = source_.subspan(payload_ + offset)
                           .first(std::min(unit_, source_.size() - payload_ - offset));
    const bool last = index_ + 1 == count_;
    segment_.resize(headers_ + part.size());
    std::memcpy(segment_.data(), source_.data(), std::min(headers_, payload_));
    if (!part.empty()) {
        std::memcpy(segment_.data() + headers_, part.data(), part.size());
    }
    const std::uint8_t type = without_ecn(offload_.gso_type);
    if (type == gso_udp) {
        finish_fragment(offset, last);
    } else if (type == gso_udp_segments) {
        put16(segment_, layout_.transport + 4, segment_.size() - layout_.transport);
        finish_transport_checksum(udp_checksum);
    } else {
        finish_tcp(offset, last);
    }
    finish_network();
    // Checksums made here are as good as verified ones, if those of the whole were.
    frame_ = Frame{segment_, {}, queue_pair_, segment_};
    frame_.offload.data_valid = offload_.needs_checksum || offload_.data_valid;
}

void Segmenter::finish_tcp(std::size_t offset, bool last) {
    const std::size_t tcp = layout_.transport;
    put32(segment_, tcp + 4, get32(segment_, tcp + 4) + static_cast<std::uint32_t>(offset));
    std::uint8_t flags = get8(segment_, tcp + 13);
    if (!last) {
        flags = without(flags, TH_FIN | TH_PUSH);
    }
    if (index_ > 0) {
        constexpr unsigned congestion_window_reduced = 0x80;
        flags = without(flags, congestion_window_reduced);
    }
    segment_[tcp + 13] = std::byte{flags};
    finish_transport_checksum(tcp_checksum);
}

void Segmenter::finish_fragment(std::size_t offset, bool last) {
    if (offset == 0) {
        put16(segment_, headers_ + udp_checksum, datagram_checksum_);
    }
    if (headers_ == layout_.transport && layout_.ipv6) {
        return;
    }
    if (!layout_.ipv6) {
        put16(segment_, layout_.network + 6, offset / fragment_unit | (last ? 0 : more_fragments));
        return;
    }
    segment_[layout_.protocol_field] = std::byte{IPPROTO_FRAGMENT};
    const std::size_t header = headers_ - fragment_header_bytes;
    segment_[header] = std::byte{IPPROTO_UDP};
    segment_[header + 1] = std::byte{0};
    put16(segment_, header + 2, offset | (last ? 0 : 1));
    put32(segment_, header + 4, identification_);
}

void Segmenter::finish_transport_checksum(std::size_t field) {
    const std::size_t address = layout_.network + (layout_.ipv6 ? 8 : 12);
    const std::size_t addresses = layout_.ipv6 ? 32 : 8;
    const std::size_t length = segment_.size() - layout_.transport;
    put16(segment_, layout_.transport + field, 0);
    std::uint16_t sum = internet_sum(Bytes(segment_).subspan(address, addresses));
    const std::array<std::byte, 4> rest{std::byte{0}, std::byte{layout_.protocol},
                                        static_cast<std::byte>(length >> 8),
                                        static_cast<std::byte>(length & 0xff)};
    sum = internet_sum(rest, sum);
    sum =
        static_cast<std::uint16_t>(~internet_sum(Bytes(segment_).subspan(layout_.transport), sum));
    // In UDP 0 stands for "none" (RFC 768).
    put16(segment_, layout_.transport + field,
          sum == 0 && layout_.protocol == IPPROTO_UDP ? 0xffff : sum);
}

void Segmenter::finish_network() {
    const std::size_t ip = layout_.network;
    if (layout_.ipv6) {
        put16(segment_, ip + 4, segment_.size() - ip - ipv6_bytes);
        return;
    }
    put16(segment_, ip + 2, segment_.size() - ip);
    if (without_ecn(offload_.gso_type) != gso_udp) {
        // Fragments of one packet share their identification, packets do not.
        put16(segment_, ip + 4, (get16(segment_, ip + 4) + index_) & 0xffff);
    }
    put16(segment_, ip + 10, 0);
    put16(segment_, ip + 10,
          static_cast<std::uint16_t>(
              ~internet_sum(Bytes(segment_).subspan(ip, layout_.transport - ip))));
}

}  // namespace skbtrail::device
