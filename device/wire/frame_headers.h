// A frame's headers as words: "icmp.type" is "echo-request". The words are those of the packets in
// a recording, so that a script and an expectation speak of the same things.
//
//   ethernet.source, ethernet.destination
//                                   MAC addresses
//   ethertype                       "0x0800"
//   vlan.id, vlan.priority          of the outermost tag
//   ip.version                      "4", "6"
//   ip.source, ip.destination       an address
//   ip.protocol                     "icmp", "tcp", "udp", else the number
//   ip.ttl                          or the hop limit
//   ip.id, ip.fragment_offset, ip.more_fragments
//                                   of IPv4; the offset in units of eight bytes, "true" or "false"
//   icmp.type                       "echo-request", "echo-reply", "destination-unreachable", else
//                                   the number
//   icmp.code, icmp.id, icmp.sequence; udp.source, udp.destination, tcp.source, tcp.destination
//                                   (ports)
//   tcp.flags                       "SYN,ACK"
//   tcp.sequence, tcp.acknowledgement, tcp.window
//   icmpv6.type                     "echo-request", "echo-reply", "neighbor-solicitation",
//                                   "neighbor-advertisement", "router-solicitation",
//                                   "router-advertisement", else the number
//   icmpv6.code, icmpv6.id, icmpv6.sequence, icmpv6.target
//   payload.size                    bytes behind the TCP, UDP or ICMP header
//   arp.operation                   "request", "reply", else the number
//   arp.sender, arp.target          IPv4 addresses
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace skbtrail::device {

using HeaderWords = std::map<std::string, std::string, std::less<>>;

/// What the headers of `frame` say. A frame that is cut short or malformed has the words up to
/// there.
HeaderWords header_words(std::span<const std::byte> frame);

/// Every word that a frame can have.
std::span<const std::string_view> known_header_words();

/// The way header_words() would write `value` of the known word `word` ("8" of icmp.type is
/// "echo-request"). Nothing when no frame can have that value.
std::optional<std::string> canonical_header_value(std::string_view word, std::string_view value);
/// What values `word` has, for an error message: "a number from 0 to 255".
std::string_view expected_header_value(std::string_view word);

/// "echo-request" or "8" to 8.
std::optional<std::uint8_t> parse_icmp_type(std::string_view text);
std::optional<std::uint8_t> parse_icmpv6_type(std::string_view text);
/// "SYN,ACK" to the bits of the TCP header.
std::optional<std::uint8_t> parse_tcp_flags(std::string_view text);

}  // namespace skbtrail::device
