#include "device/wire/script_frame.h"

#include <memory>
#include <type_traits>
#include <utility>

#include <tins/arp.h>
#include <tins/ethernetII.h>
#include <tins/icmp.h>
#include <tins/ip.h>
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
    if (recipe.dont_fragment) {
        ip->flags(Tins::IP::DONT_FRAGMENT);
    }
    if (recipe.protocol) {
        ip->protocol(*recipe.protocol);
    }
    return ip;
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

std::vector<std::byte> craft(const LayeredFrame& frame, const MacAddress& guest) {
    Tins::EthernetII ethernet(resolve(frame.ethernet.destination, guest),
                              resolve(frame.ethernet.source, guest));
    if (frame.ethernet.type) {
        ethernet.payload_type(*frame.ethernet.type);
    }
    Stack stack(ethernet);
    if (const auto* arp = std::get_if<ArpRecipe>(&frame.network)) {
        stack.add(make(*arp, guest));
    } else if (const auto* ip = std::get_if<Ipv4Recipe>(&frame.network)) {
        stack.add(make(*ip));
    }
    std::visit(
        [&stack](const auto& transport) {
            if constexpr (!std::is_same_v<decltype(transport), const std::monostate&>) {
                stack.add(make(transport));
            }
        },
        frame.transport);
    if (payload_size(frame.payload) > 0) {
        stack.add(std::make_unique<Tins::RawPDU>(payload_bytes(frame.payload)));
    }
    const auto octets = ethernet.serialize();
    const auto bytes = std::as_bytes(std::span(octets));
    return {bytes.begin(), bytes.end()};
}

}  // namespace

std::size_t recipe_size(const FrameRecipe& recipe) {
    if (const auto* raw = std::get_if<RawFrame>(&recipe)) {
        return raw->bytes.size();
    }
    const auto& frame = std::get<LayeredFrame>(recipe);
    constexpr std::array<std::size_t, 3> network_sizes{0, 28, 20};      // -, ARP, IPv4
    constexpr std::array<std::size_t, 4> transport_sizes{0, 8, 8, 20};  // -, ICMP, UDP, TCP
    return 14 + network_sizes[frame.network.index()] + transport_sizes[frame.transport.index()] +
           payload_size(frame.payload);
}

bool needs_guest_mac(const FrameRecipe& recipe) {
    const auto* frame = std::get_if<LayeredFrame>(&recipe);
    if (frame == nullptr) {
        return false;
    }
    const auto* arp = std::get_if<ArpRecipe>(&frame->network);
    return is_guest(frame->ethernet.source) || is_guest(frame->ethernet.destination) ||
           (arp != nullptr && (is_guest(arp->sender_mac) || is_guest(arp->target_mac)));
}

std::vector<std::byte> craft_frame(const FrameRecipe& recipe, const MacAddress& guest) {
    if (const auto* raw = std::get_if<RawFrame>(&recipe)) {
        return raw->bytes;
    }
    return craft(std::get<LayeredFrame>(recipe), guest);
}

}  // namespace skbtrail::device
