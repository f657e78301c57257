#include "device/wire/nat_frames.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include <net/ethernet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>

#include "device/wire/network_bytes.h"

namespace skbtrail::device {

namespace {

using Bytes = std::span<const std::byte>;

constexpr std::size_t network = ETHER_HDR_LEN;

std::uint32_t folded(std::uint32_t sum) {
    while (sum >> 16 != 0) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

std::uint32_t sum_of(Bytes bytes) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
        sum += get16(bytes, i);
    }
    return folded(sum);
}

/// The length of an IPv4 header with all of its packet in the frame; 0: it is something else.
std::size_t ipv4_header(Bytes frame) {
    if (frame.size() < network + sizeof(iphdr) || get16(frame, 12) != ETHERTYPE_IP ||
        get8(frame, network) >> 4 != 4) {
        return 0;
    }
    const std::size_t header = std::size_t{get8(frame, network)} % 16 * 4;
    const std::size_t packet = get16(frame, network + 2);
    const bool whole =
        header >= sizeof(iphdr) && packet >= header && frame.size() >= network + packet;
    return whole ? header : 0;
}

struct Tcp {
    std::size_t at;    ///< the TCP header
    std::size_t data;  ///< what is behind it
    std::size_t end;   ///< of the packet
};

/// An IPv4 TCP segment that is no fragment.
std::optional<Tcp> find_tcp(Bytes frame) {
    const std::size_t header = ipv4_header(frame);
    if (header == 0 || get8(frame, network + 9) != IPPROTO_TCP ||
        (get16(frame, network + 6) & (IP_MF | IP_OFFMASK)) != 0) {
        return std::nullopt;
    }
    Tcp tcp{network + header, 0, network + get16(frame, network + 2)};
    if (tcp.end < tcp.at + sizeof(tcphdr)) {
        return std::nullopt;
    }
    tcp.data = tcp.at + (std::size_t{get8(frame, tcp.at + 12)} >> 4 << 2);
    if (tcp.data < tcp.at + sizeof(tcphdr) || tcp.data > tcp.end) {
        return std::nullopt;
    }
    return tcp;
}

/// Where the value of the MSS option stands.
std::optional<std::size_t> find_mss_option(Bytes frame, const Tcp& tcp) {
    if ((get8(frame, tcp.at + 13) & TH_SYN) == 0) {
        return std::nullopt;
    }
    std::size_t at = tcp.at + sizeof(tcphdr);
    while (at < tcp.data) {
        const std::uint8_t kind = get8(frame, at);
        if (kind == TCPOPT_EOL) {
            break;
        }
        if (kind == TCPOPT_NOP) {
            ++at;
            continue;
        }
        if (at + 1 >= tcp.data) {
            break;
        }
        const std::size_t length = get8(frame, at + 1);
        if (length < 2 || at + length > tcp.data) {
            break;
        }
        if (kind == TCPOPT_MAXSEG && length == TCPOLEN_MAXSEG) {
            return at + 2;
        }
        at += length;
    }
    return std::nullopt;
}

std::optional<std::size_t> mss_place(Bytes frame) {
    const auto tcp = find_tcp(frame);
    return tcp ? find_mss_option(frame, *tcp) : std::nullopt;
}

}  // namespace

std::optional<std::uint16_t> find_mss(Bytes frame) {
    const auto at = mss_place(frame);
    return at ? std::optional(get16(frame, *at)) : std::nullopt;
}

void replace_mss(std::span<std::byte> frame, std::uint16_t mss) {
    const auto tcp = find_tcp(frame);
    const auto at = tcp ? find_mss_option(frame, *tcp) : std::nullopt;
    if (!at) {
        return;
    }
    const std::size_t checksum = tcp->at + offsetof(tcphdr, th_sum);
    const std::uint16_t before = get16(frame, *at);
    put16(frame, *at, mss);
    // RFC 1624, equation 3. An option at an odd place counts with its bytes swapped.
    const bool odd = (*at - tcp->at) % 2 != 0;
    const auto counted = [odd](std::uint32_t value) {
        return odd ? (value >> 8 | value << 8) & 0xffff : value;
    };
    const std::uint32_t old_sum = ~std::uint32_t{get16(frame, checksum)} & 0xffff;
    const std::uint32_t sum = folded(old_sum + (~counted(before) & 0xffff) + counted(mss));
    put16(frame, checksum, ~sum);
}

std::optional<FrameOffload> mark_segment(std::span<std::byte> frame, std::uint16_t mss) {
    const auto tcp = find_tcp(frame);
    if (!tcp || tcp->end - tcp->data <= mss) {
        return std::nullopt;
    }
    FrameOffload offload;
    offload.needs_checksum = true;
    offload.checksum_start = static_cast<std::uint16_t>(tcp->at);
    offload.checksum_offset = offsetof(tcphdr, th_sum);
    offload.gso_type = gso_tcp4;
    offload.gso_size = mss;
    offload.header_length = static_cast<std::uint16_t>(tcp->data);
    // The pseudo header: both addresses, the protocol, the length.
    put16(frame, tcp->at + offsetof(tcphdr, th_sum),
          folded(sum_of(frame.subspan(network + 12, 8)) + IPPROTO_TCP +
                 static_cast<std::uint32_t>(tcp->end - tcp->at)));
    return offload;
}

bool fragment_ipv4(Bytes frame, std::size_t mtu, const std::function<void(Bytes)>& emit) {
    const std::size_t header = ipv4_header(frame);
    if (header == 0 || mtu < header + 8) {
        return false;
    }
    const Bytes payload = frame.subspan(network + header, get16(frame, network + 2) - header);
    const std::uint16_t flags = get16(frame, network + 6);
    const std::size_t base = std::size_t{flags} & IP_OFFMASK;
    const std::size_t unit = (mtu - header) / 8 * 8;
    std::vector<std::byte> fragment;
    for (std::size_t offset = 0; offset < payload.size(); offset += unit) {
        const Bytes part = payload.subspan(offset).first(std::min(unit, payload.size() - offset));
        const bool more = offset + part.size() < payload.size() || (flags & IP_MF) != 0;
        fragment.assign(frame.begin(),
                        frame.begin() + static_cast<std::ptrdiff_t>(network + header));
        fragment.insert(fragment.end(), part.begin(), part.end());
        put16(fragment, network + 2, static_cast<std::uint32_t>(header + part.size()));
        put16(fragment, network + 6,
              static_cast<std::uint32_t>((base + offset / 8) & IP_OFFMASK) | (more ? IP_MF : 0));
        put16(fragment, network + 10, 0);
        put16(fragment, network + 10, ~sum_of(Bytes(fragment).subspan(network, header)));
        emit(fragment);
    }
    return true;
}

}  // namespace skbtrail::device
