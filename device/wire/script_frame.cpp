#include "device/wire/script_frame.h"

#include <algorithm>
#include <memory>
#include <type_traits>
#include <utility>

#include <tins/arp.h>
#include <tins/dot1q.h>
#include <tins/ethernetII.h>
#include <tins/icmp.h>
#include <tins/icmpv6.h>
#include <tins/ip.h>
#include <tins/ipv6.h>
#include <tins/rawpdu.h>
#include <tins/tcp.h>
#include <tins/udp.h>

namespace skbtrail::device {

namespace {

using TinsMac = Tins::HWAddress<6>;

TinsMac resolve(const ScriptMac& mac, const MacAddress& guest) {
    const auto* fixed = std::get_if<MacAddress>(&mac);
    return TinsMac((fixed != nullptr ? *fixed : guest).octets.data());
}

bool is_guest(const ScriptMac& mac) {
    return std::holds_alternative<GuestMac>(mac);
}

/// Stacks layers, each inside the one before it.
class Stack {
  public:
    explicit Stack(Tins::PDU& outermost) : innermost_(&outermost) {}

    template <typename Layer>
    void add(std::unique_ptr<Layer> layer) {
        Tins::PDU* const raw = layer.release();
        innermost_->inner_pdu(raw);  // takes it
        innermost_ = raw;
    }

  private:
    Tins::PDU* innermost_;
};

std::unique_ptr<Tins::ARP> make(const ArpRecipe& recipe, const MacAddress& guest) {
    auto arp =
        std::make_unique<Tins::ARP>(recipe.target, recipe.sender, resolve(recipe.target_mac, guest),
                                    resolve(recipe.sender_mac, guest));
    arp->opcode(static_cast<Tins::ARP::Flags>(recipe.operation));
    return arp;
}

std::unique_ptr<Tins::IP> make(const Ipv4Recipe& recipe) {
    auto ip = std::make_unique<Tins::IP>(recipe.destination, recipe.source);
    ip->ttl(recipe.ttl);
    ip->tos(recipe.tos);
    ip->id(recipe.id);
    ip->flags(static_cast<Tins::IP::Flags>((recipe.dont_fragment ? Tins::IP::DONT_FRAGMENT : 0) |
                                           (recipe.more_fragments ? Tins::IP::MORE_FRAGMENTS : 0)));
    ip->fragment_offset(recipe.fragment_offset);
    if (recipe.protocol) {
        ip->protocol(*recipe.protocol);
    }
    return ip;
}

std::unique_ptr<Tins::IPv6> make(const Ipv6Recipe& recipe) {
    auto ip = std::make_unique<Tins::IPv6>(recipe.destination, recipe.source);
    ip->hop_limit(recipe.hop_limit);
    ip->traffic_class(recipe.traffic_class);
    ip->flow_label(recipe.flow_label);
    if (recipe.next_header) {
        ip->next_header(*recipe.next_header);
    }
    return ip;
}

std::unique_ptr<Tins::Dot1Q> make(const VlanRecipe& recipe) {
    auto tag = std::make_unique<Tins::Dot1Q>(recipe.id, false);
    tag->priority(recipe.priority);
    tag->cfi(recipe.drop_eligible ? 1 : 0);
    return tag;
}

std::unique_ptr<Tins::ICMPv6> make(const Icmpv6Recipe& recipe, const MacAddress& guest) {
    auto icmp = std::make_unique<Tins::ICMPv6>(static_cast<Tins::ICMPv6::Types>(recipe.type));
    icmp->code(recipe.code);
    const bool echo =
        recipe.type == Tins::ICMPv6::ECHO_REQUEST || recipe.type == Tins::ICMPv6::ECHO_REPLY;
    if (echo) {
        icmp->identifier(recipe.id);
        icmp->sequence(recipe.sequence);
    }
    if (recipe.type == Tins::ICMPv6::NEIGHBOUR_ADVERT) {
        icmp->router(recipe.router ? 1 : 0);
        icmp->solicited(recipe.solicited ? 1 : 0);
        icmp->override(recipe.override ? 1 : 0);
    }
    if (recipe.target) {
        icmp->target_addr(*recipe.target);
    }
    if (recipe.link_address) {
        // An advertisement tells the target's address, all others their own.
        if (recipe.type == Tins::ICMPv6::NEIGHBOUR_ADVERT) {
            icmp->target_link_layer_addr(resolve(*recipe.link_address, guest));
        } else {
            icmp->source_link_layer_addr(resolve(*recipe.link_address, guest));
        }
    }
    return icmp;
}

std::unique_ptr<Tins::ICMP> make(const IcmpRecipe& recipe) {
    auto icmp = std::make_unique<Tins::ICMP>(static_cast<Tins::ICMP::Flags>(recipe.type));
    icmp->code(recipe.code);
    icmp->id(recipe.id);
    icmp->sequence(recipe.sequence);
    return icmp;
}

std::unique_ptr<Tins::UDP> make(const UdpRecipe& recipe) {
    return std::make_unique<Tins::UDP>(recipe.destination, recipe.source);
}

std::unique_ptr<Tins::TCP> make(const TcpRecipe& recipe) {
    auto tcp = std::make_unique<Tins::TCP>(recipe.destination, recipe.source);
    tcp->seq(recipe.sequence);
    tcp->ack_seq(recipe.acknowledgement);
    tcp->window(recipe.window);
    tcp->flags(recipe.flags);
    if (recipe.mss) {
        tcp->mss(*recipe.mss);
    }
    if (recipe.sack_permitted) {
        tcp->sack_permitted();
    }
    if (recipe.timestamp) {
        tcp->timestamp(recipe.timestamp->first, recipe.timestamp->second);
    }
    if (recipe.window_scale) {
        tcp->winscale(*recipe.window_scale);
    }
    return tcp;
}

std::size_t payload_size(const Payload& payload) {
    const auto* bytes = std::get_if<std::vector<std::byte>>(&payload);
    return bytes != nullptr ? bytes->size() : std::get<CountingPayload>(payload).size;
}

Tins::RawPDU::payload_type payload_bytes(const Payload& payload) {
    Tins::RawPDU::payload_type result;
    if (const auto* bytes = std::get_if<std::vector<std::byte>>(&payload)) {
        for (const std::byte byte : *bytes) {
            result.push_back(std::to_integer<std::uint8_t>(byte));
        }
    } else {
        for (std::size_t i = 0; i < std::get<CountingPayload>(payload).size; ++i) {
            result.push_back(static_cast<std::uint8_t>(i));
        }
    }
    return result;
}

std::size_t network_size(const LayeredFrame& frame) {
    constexpr std::array<std::size_t, 4> sizes{0, 28, 20, 40};  // -, ARP, IPv4, IPv6
    return sizes[frame.network.index()];
}

std::size_t transport_size(const LayeredFrame& frame) {
    if (const auto* tcp = std::get_if<TcpRecipe>(&frame.transport)) {
        const std::size_t options = (tcp->mss ? 4 : 0) + (tcp->sack_permitted ? 2 : 0) +
                                    (tcp->timestamp ? 10 : 0) + (tcp->window_scale ? 3 : 0);
        return 20 + (options + 3) / 4 * 4;
    }
    if (const auto* icmp = std::get_if<Icmpv6Recipe>(&frame.transport)) {
        return 8 + (icmp->target ? 16 : 0) + (icmp->link_address ? 8 : 0);
    }
    return std::holds_alternative<std::monostate>(frame.transport) ? 0 : 8;
}

std::size_t network_place(const LayeredFrame& frame) {
    return 14 + 4 * frame.vlans.size();
}

/// Puts into a checksum's place what the recipe wants there.
void choose_checksum(std::span<std::byte> frame, std::size_t place, ChecksumChoice choice) {
    if (choice == ChecksumChoice::right || place + 2 > frame.size()) {
        return;
    }
    if (choice == ChecksumChoice::none) {
        frame[place] = frame[place + 1] = std::byte{0};
        return;
    }
    // Wrong, and neither 0 nor what means the same as the right one.
    frame[place] ^= std::byte{0x55};
    frame[place + 1] ^= std::byte{0xaa};
    if (frame[place] == std::byte{0} && frame[place + 1] == std::byte{0}) {
        frame[place] = std::byte{1};
    }
}

void choose_checksums(const LayeredFrame& frame, std::span<std::byte> bytes) {
    const std::size_t network = network_place(frame);
    const std::size_t transport = network + network_size(frame);
    if (const auto* ip = std::get_if<Ipv4Recipe>(&frame.network)) {
        choose_checksum(bytes, network + 10, ip->checksum);
    }
    if (const auto* icmp = std::get_if<IcmpRecipe>(&frame.transport)) {
        choose_checksum(bytes, transport + 2, icmp->checksum);
    } else if (const auto* udp = std::get_if<UdpRecipe>(&frame.transport)) {
        choose_checksum(bytes, transport + 6, udp->checksum);
    } else if (const auto* tcp = std::get_if<TcpRecipe>(&frame.transport)) {
        choose_checksum(bytes, transport + 16, tcp->checksum);
    } else if (const auto* icmp6 = std::get_if<Icmpv6Recipe>(&frame.transport)) {
        choose_checksum(bytes, transport + 2, icmp6->checksum);
    }
}

void add_network(const LayeredFrame& frame, const MacAddress& guest, Stack& stack) {
    if (const auto* arp = std::get_if<ArpRecipe>(&frame.network)) {
        stack.add(make(*arp, guest));
    } else if (const auto* ip = std::get_if<Ipv4Recipe>(&frame.network)) {
        stack.add(make(*ip));
    } else if (const auto* ip6 = std::get_if<Ipv6Recipe>(&frame.network)) {
        stack.add(make(*ip6));
    }
}

void add_transport(const LayeredFrame& frame, const MacAddress& guest, Stack& stack) {
    if (const auto* icmp = std::get_if<IcmpRecipe>(&frame.transport)) {
        stack.add(make(*icmp));
    } else if (const auto* udp = std::get_if<UdpRecipe>(&frame.transport)) {
        stack.add(make(*udp));
    } else if (const auto* tcp = std::get_if<TcpRecipe>(&frame.transport)) {
        stack.add(make(*tcp));
    } else if (const auto* icmp6 = std::get_if<Icmpv6Recipe>(&frame.transport)) {
        stack.add(make(*icmp6, guest));
    }
}

std::vector<std::byte> craft(const LayeredFrame& frame, const MacAddress& guest) {
    Tins::EthernetII ethernet(resolve(frame.ethernet.destination, guest),
                              resolve(frame.ethernet.source, guest));
    Stack stack(ethernet);
    for (std::size_t i = 0; i < frame.vlans.size(); ++i) {
        auto tag = make(frame.vlans[i]);
        if (frame.ethernet.type && i + 1 == frame.vlans.size()) {
            tag->payload_type(*frame.ethernet.type);
        }
        stack.add(std::move(tag));
    }
    if (frame.ethernet.type && frame.vlans.empty()) {
        ethernet.payload_type(*frame.ethernet.type);
    }
    add_network(frame, guest, stack);
    add_transport(frame, guest, stack);
    if (payload_size(frame.payload) > 0) {
        stack.add(std::make_unique<Tins::RawPDU>(payload_bytes(frame.payload)));
    }
    auto octets = ethernet.serialize();
    // Ethernet's minimum, also behind tags.
    octets.resize(std::max<std::size_t>(octets.size(), 60));
    const auto bytes = std::as_writable_bytes(std::span(octets));
    for (std::size_t i = 0; i < frame.vlans.size(); ++i) {
        // The packet library chooses by its own lights what kind a tag within a tag is.
        bytes[12 + 4 * i] = std::byte(frame.vlans[i].service ? 0x88 : 0x81);
        bytes[13 + 4 * i] = std::byte(frame.vlans[i].service ? 0xa8 : 0x00);
    }
    choose_checksums(frame, bytes);
    return {bytes.begin(), bytes.end()};
}

}  // namespace

std::size_t recipe_size(const FrameRecipe& recipe) {
    if (const auto* raw = std::get_if<RawFrame>(&recipe)) {
        return raw->bytes.size();
    }
    const auto& frame = std::get<LayeredFrame>(recipe);
    return network_place(frame) + network_size(frame) + transport_size(frame) +
           payload_size(frame.payload);
}

bool needs_guest_mac(const FrameRecipe& recipe) {
    const auto* frame = std::get_if<LayeredFrame>(&recipe);
    if (frame == nullptr) {
        return false;
    }
    const auto* arp = std::get_if<ArpRecipe>(&frame->network);
    const auto* icmp = std::get_if<Icmpv6Recipe>(&frame->transport);
    return is_guest(frame->ethernet.source) || is_guest(frame->ethernet.destination) ||
           (arp != nullptr && (is_guest(arp->sender_mac) || is_guest(arp->target_mac))) ||
           (icmp != nullptr && icmp->link_address && is_guest(*icmp->link_address));
}

FrameRecipe next_in_burst(const FrameRecipe& recipe) {
    FrameRecipe next = recipe;
    auto* const frame = std::get_if<LayeredFrame>(&next);
    if (frame == nullptr) {
        return next;
    }
    if (auto* ip = std::get_if<Ipv4Recipe>(&frame->network)) {
        ip->id = static_cast<std::uint16_t>(ip->id + 1);
    }
    if (auto* tcp = std::get_if<TcpRecipe>(&frame->transport)) {
        tcp->sequence += static_cast<std::uint32_t>(payload_size(frame->payload));
    } else if (auto* icmp = std::get_if<IcmpRecipe>(&frame->transport)) {
        icmp->sequence = static_cast<std::uint16_t>(icmp->sequence + 1);
    } else if (auto* icmp6 = std::get_if<Icmpv6Recipe>(&frame->transport)) {
        icmp6->sequence = static_cast<std::uint16_t>(icmp6->sequence + 1);
    }
    return next;
}

std::vector<std::byte> craft_frame(const FrameRecipe& recipe, const MacAddress& guest) {
    if (const auto* raw = std::get_if<RawFrame>(&recipe)) {
        return raw->bytes;
    }
    return craft(std::get<LayeredFrame>(recipe), guest);
}

}  // namespace skbtrail::device
