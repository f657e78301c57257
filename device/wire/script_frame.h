// A frame as a script describes it, and its bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
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
    std::optional<std::uint8_t> protocol;  ///< for a payload without a header of ours
};

struct IcmpRecipe {
    std::uint8_t type = 8;
    std::uint8_t code = 0;
    std::uint16_t id = 0;
    std::uint16_t sequence = 0;
};

struct UdpRecipe {
    std::uint16_t source = 0;
    std::uint16_t destination = 0;
};

struct TcpRecipe {
    std::uint16_t source = 0;
    std::uint16_t destination = 0;
    std::uint32_t sequence = 0;
    std::uint32_t acknowledgement = 0;
    std::uint16_t window = 65535;
    std::uint8_t flags = 0;
};

/// So many bytes 00 01 02 …, as ping sends them.
struct CountingPayload {
    std::size_t size = 0;
};
using Payload = std::variant<std::vector<std::byte>, CountingPayload>;

/// Everything of a frame but Ethernet: at most one network layer and one transport over IPv4.
struct LayeredFrame {
    EthernetRecipe ethernet;
    std::variant<std::monostate, ArpRecipe, Ipv4Recipe> network;
    std::variant<std::monostate, IcmpRecipe, UdpRecipe, TcpRecipe> transport;
    Payload payload;
};

/// The whole frame, byte by byte.
struct RawFrame {
    std::vector<std::byte> bytes;
};

using FrameRecipe = std::variant<LayeredFrame, RawFrame>;

/// The longest frame that can be described: an IPv4 packet of the greatest length.
constexpr std::size_t longest_script_frame = 65535 + 14;

/// Length of the frame before Ethernet's padding.
std::size_t recipe_size(const FrameRecipe& recipe);
/// Whether the frame can only be made when the guest's address is known.
bool needs_guest_mac(const FrameRecipe& recipe);
/// The frame's bytes, without FCS, lengths and checksums filled in, padded to Ethernet's minimum.
/// The recipe is no longer than longest_script_frame and its addresses are well-formed.
std::vector<std::byte> craft_frame(const FrameRecipe& recipe, const MacAddress& guest);

}  // namespace skbtrail::device
