// A frame as a script describes it, and its bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "device/wire/mac_address.h"

namespace skbtrail::device {

/// In place of an address: that of the guest, as learnt from its frames.
struct GuestMac {};
using ScriptMac = std::variant<MacAddress, GuestMac>;

struct EthernetRecipe {
    ScriptMac source;
    ScriptMac destination = GuestMac{};
    std::optional<std::uint16_t> type;  ///< for a payload without a header of ours
};

/// A VLAN tag (IEEE 802.1Q), or a service tag (802.1ad).
struct VlanRecipe {
    std::uint16_t id = 0;
    std::uint8_t priority = 0;
    bool drop_eligible = false;
    bool service = false;
};

/// What stands in a checksum's place.
enum class ChecksumChoice : std::uint8_t {
    right,
    wrong,
    none,  ///< 0; in UDP over IPv4 that says that there is none
};

struct ArpRecipe {
    std::uint16_t operation = 1;
    ScriptMac sender_mac;
    std::string sender;  ///< IPv4
    ScriptMac target_mac;
    std::string target;  ///< IPv4
};

struct Ipv4Recipe {
    std::string source;
    std::string destination;
    std::uint8_t ttl = 64;
    std::uint8_t tos = 0;
    std::uint16_t id = 0;
    bool dont_fragment = false;
    bool more_fragments = false;
    std::uint16_t fragment_offset = 0;     ///< in units of eight bytes
    std::optional<std::uint8_t> protocol;  ///< for a payload without a header of ours
    ChecksumChoice checksum = ChecksumChoice::right;
};

struct Ipv6Recipe {
    std::string source;
    std::string destination;
    std::uint8_t hop_limit = 64;
    std::uint8_t traffic_class = 0;
    std::uint32_t flow_label = 0;
    std::optional<std::uint8_t> next_header;  ///< for a payload without a header of ours
};

struct IcmpRecipe {
    std::uint8_t type = 8;
    std::uint8_t code = 0;
    std::uint16_t id = 0;
    std::uint16_t sequence = 0;
    ChecksumChoice checksum = ChecksumChoice::right;
};

/// ICMP for IPv6, with what neighbour discovery needs (RFC 4861).
struct Icmpv6Recipe {
    std::uint8_t type = 128;
    std::uint8_t code = 0;
    std::uint16_t id = 0;
    std::uint16_t sequence = 0;
    std::optional<std::string> target;      ///< of a solicitation or an advertisement
    std::optional<ScriptMac> link_address;  ///< the option: the source's, or the target's
    bool router = false;
    bool solicited = false;
    bool override = false;
    ChecksumChoice checksum = ChecksumChoice::right;
};

struct UdpRecipe {
    std::uint16_t source = 0;
    std::uint16_t destination = 0;
    ChecksumChoice checksum = ChecksumChoice::right;
};

struct TcpRecipe {
    std::uint16_t source = 0;
    std::uint16_t destination = 0;
    std::uint32_t sequence = 0;
    std::uint32_t acknowledgement = 0;
    std::uint16_t window = 65535;
    std::uint8_t flags = 0;
    // Options, in the order in which Linux has them.
    std::optional<std::uint16_t> mss;
    bool sack_permitted = false;
    std::optional<std::pair<std::uint32_t, std::uint32_t>> timestamp;  ///< value, echo
    std::optional<std::uint8_t> window_scale;
    ChecksumChoice checksum = ChecksumChoice::right;
};

/// So many bytes 00 01 02 …, as ping sends them.
struct CountingPayload {
    std::size_t size = 0;
};
using Payload = std::variant<std::vector<std::byte>, CountingPayload>;

/// Ethernet, tags, at most one network layer and one transport over IP.
struct LayeredFrame {
    EthernetRecipe ethernet;
    std::vector<VlanRecipe> vlans;  ///< the outermost first
    std::variant<std::monostate, ArpRecipe, Ipv4Recipe, Ipv6Recipe> network;
    std::variant<std::monostate, IcmpRecipe, UdpRecipe, TcpRecipe, Icmpv6Recipe> transport;
    Payload payload;
};

/// The whole frame, byte by byte.
struct RawFrame {
    std::vector<std::byte> bytes;
};

using FrameRecipe = std::variant<LayeredFrame, RawFrame>;

/// The longest frame that can be described: an IPv4 packet of the greatest length.
constexpr std::size_t longest_script_frame = 65535 + 14;

/// The recipe of the frame that follows in a burst: TCP goes on behind the payload, identifications
/// and ICMP sequence numbers count up.
FrameRecipe next_in_burst(const FrameRecipe& recipe);

/// Length of the frame before Ethernet's padding.
std::size_t recipe_size(const FrameRecipe& recipe);
/// Whether the frame can only be made when the guest's address is known.
bool needs_guest_mac(const FrameRecipe& recipe);
/// The frame's bytes, without FCS, lengths and checksums filled in, padded to Ethernet's minimum.
/// The recipe is no longer than longest_script_frame and its addresses are well-formed.
std::vector<std::byte> craft_frame(const FrameRecipe& recipe, const MacAddress& guest);

}  // namespace skbtrail::device
