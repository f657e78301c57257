// The packets that are under way, and what is known of each.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>

#include "tracer/bpf/event.h"
#include "tracer/chain/recording.h"
#include "tracer/function_table.h"

namespace skbtrail::tracer {

/// Keeps the packets that were not told of yet, and of some that were what they looked like.
class KnownPackets {
  public:
    /// One more packet, whose head was first seen at `time`.
    chain::PacketId add(std::uint64_t head, std::uint64_t time);
    [[nodiscard]] bool contains(chain::PacketId id) const { return packets_.contains(id); }
    /// The packet must be known.
    chain::Packet& at(chain::PacketId id) { return packets_.at(id); }
    /// By id.
    [[nodiscard]] const std::map<chain::PacketId, chain::Packet>& all() const { return packets_; }

    /// The packet was given to this function.
    void passed(chain::PacketId id, FunctionId function) { states_[id].last_function = function; }
    /// Some of its data are in pages.
    void has_pages(chain::PacketId id) { states_[id].paged = true; }
    [[nodiscard]] FunctionId last_function(chain::PacketId id) const;

    /// Reads the headers in `bytes`, which the event copied. A complete copy is read once.
    void read_headers(chain::PacketId id, const skbtrail_event& event,
                      std::span<const std::uint8_t> bytes);

    /// The packet was made of `other`, or has become it. An edge that is known is not added again;
    /// one of a packet that is not known is of no use.
    void add_edge(chain::PacketId id, chain::PacketId other, const char* kind,
                  const std::string& function, chain::Address skb = 0);

    /// The packet, which is forgotten. One whose headers nobody saw looks like what it was made of;
    /// what is missing because it lies in pages is told ("unread").
    chain::Packet take(chain::PacketId id);

  private:
    struct State {
        FunctionId last_function = no_function;
        bool complete = false;  ///< its headers need no better copy
        bool tagged = false;    ///< its headers were read with a VLAN's tag in front
        bool paged = false;     ///< data were in pages
    };
    /// What a copy looks like.
    struct Looks {
        std::map<std::string, std::string> headers;
        std::string summary;
    };

    [[nodiscard]] std::optional<Looks> looks_of(chain::PacketId id) const;
    void remember(const chain::Packet& gone);

    std::map<chain::PacketId, chain::Packet> packets_;
    std::unordered_map<chain::PacketId, State> states_;
    std::map<chain::PacketId, Looks> remembered_;
    chain::PacketId next_id_ = 1;
};

}  // namespace skbtrail::tracer
