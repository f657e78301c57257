// The work of PacketFollower (packets.h): which packet a sighting of an sk_buff is of, where
// packets begin, move and end.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tracer/following/call_tree.h"
#include "tracer/following/fates.h"
#include "tracer/following/known_packets.h"
#include "tracer/following/origins.h"
#include "tracer/following/outcomes.h"
#include "tracer/following/packets.h"
#include "tracer/following/unions.h"

namespace skbtrail::tracer {

class PacketFollower::Follower {
  public:
    Follower(const Capture& capture, const Forest& forest, const FunctionTable& functions,
             const std::vector<std::string>& drop_reasons);

    // As PacketFollower has them.
    void call(const EventGroup& group, const std::vector<skbtrail_event>& events, NodeId node,
              std::vector<chain::PacketId>& packets);
    void renumber(const std::vector<NodeId>& numbers);
    std::vector<chain::Packet> take_ended(std::uint64_t time);
    std::vector<chain::Packet> finish();
    [[nodiscard]] const std::map<chain::PacketId, chain::Packet>& living() const {
        return packets_.all();
    }
    [[nodiscard]] std::uint64_t implausible() const { return implausible_; }

  private:
    /// What a head's address stands for now.
    struct Head {
        chain::PacketId packet = no_packet;
        bool ended = false;
    };
    /// What is known of a struct sk_buff.
    struct Skb {
        chain::PacketId packet = no_packet;
        bool unset = false;                     ///< allocated, its fields not set yet
        chain::PacketId expanding = no_packet;  ///< pskb_expand_head is moving this packet
    };

    chain::PacketId begin(std::uint64_t head, std::uint64_t time);
    chain::PacketId sight(const skbtrail_event& event, std::uint32_t roles);
    chain::PacketId sight_unset(const skbtrail_event& event, std::uint32_t roles);
    chain::PacketId sight_target(const skbtrail_event& event, NodeId node);
    void move(Skb& skb, const skbtrail_event& event, chain::PacketId to);
    void end(const skbtrail_event& event, std::uint32_t roles, chain::PacketId id);
    [[nodiscard]] bool has_ended(const chain::Packet& packet) const;
    [[nodiscard]] bool has_ended(chain::PacketId id) const;
    chain::Packet take(chain::PacketId id);

    void copy(const EventGroup& group, const std::vector<skbtrail_event>& events, NodeId node,
              NodeId cloning, const std::vector<chain::PacketId>& packets);
    void clone(chain::PacketId id, chain::Address skb, NodeId cloning);

    void try_union(const EventGroup& group, const std::vector<skbtrail_event>& events,
                   const std::vector<chain::PacketId>& packets, std::uint32_t roles);
    void unite(const skbtrail_event& event, FunctionId function, std::uint32_t roles,
               chain::PacketId id);
    void settle(const Union& one);

    const Capture& capture_;
    CallTree tree_;
    KnownPackets packets_;
    Fates fates_;
    Unions unions_;
    Origins origins_{tree_, packets_};
    Outcomes outcomes_;
    std::unordered_map<std::uint64_t, Head> heads_;
    std::unordered_map<std::uint64_t, Skb> skbs_;
    std::deque<std::pair<std::uint64_t, chain::PacketId>> ended_;  ///< when, in order
    std::uint64_t implausible_ = 0;
};

}  // namespace skbtrail::tracer
