// The words by which a packet is asked for: those of its headers, and the kinds of fates and edges.
// docs/expectations.md has them in a table.
#pragma once

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string_view>

namespace skbtrail::chain {

/// Every word that Packet::headers may have.
inline constexpr std::array<std::string_view, 25> header_words = {
    "ethertype",     "vlan.id",      "arp.operation",       "arp.sender",  "arp.target",
    "ip.version",    "ip.source",    "ip.destination",      "ip.protocol", "ip.ttl",
    "ip.id",         "ip.fragment",  "icmp.type",           "icmp.code",   "icmp.id",
    "icmp.sequence", "udp.source",   "udp.destination",     "tcp.source",  "tcp.destination",
    "tcp.flags",     "tcp.sequence", "tcp.acknowledgement", "payload",     "unread"};

/// Every Fate::kind.
inline constexpr std::array<std::string_view, 8> fate_kinds = {
    "delivered", "transmitted", "dropped", "consumed", "queued", "merged", "moved", "unknown"};

/// Every PacketEdge::kind.
inline constexpr std::array<std::string_view, 9> edge_kinds = {
    "clone",     "copy",     "segment",    "fragment", "expand_head",
    "gro_merge", "coalesce", "reassemble", "forward"};

/// One of header_words, as is checked when it is compiled.
class HeaderWord {
  public:
    consteval HeaderWord(const char* word) : word_(word) {
        if (std::find(header_words.begin(), header_words.end(), word_) == header_words.end()) {
            throw std::logic_error("add the word to header_words and to docs/expectations.md");
        }
    }
    constexpr std::string_view text() const { return word_; }

  private:
    std::string_view word_;
};

}  // namespace skbtrail::chain
