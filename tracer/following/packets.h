// Who is who: from sightings of sk_buffs to packets.
//
// A packet is its head: the linear buffer that the headers lie in. Clones share it, so a clone is
// the same packet. Addresses are used again, so a packet lasts from the beginning of its head to
// the end:
//
//  - It begins where a head is put into an sk_buff (__build_skb_around), or at the first sight.
//  - It ends where the last owner gives the head back: skb_release_data with nobody else holding it
//    (the BPF program looks at dataref as the kernel does), skb_free_head, or a head taken over by
//    another packet (napi_skb_free_stolen_head). The next sight of that address is another packet.
//    Only the functions that free the sk_buff itself may still show the old head.
//  - It moves where pskb_expand_head gives its sk_buff another head, and is copied where one
//  sk_buff's
//    header is made from another's: edges, since the bytes are elsewhere now.
//
// A struct sk_buff is used again, too: between its allocation and the setting of its fields, what
// they say is its past. Sightings at such places carry no head of their own.
//
// Where it stays uncertain: two packets become one only if both the end of the first and the
// beginning of the second went unseen, which takes lost events, which are counted.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tracer/capture.h"
#include "tracer/chain/recording.h"
#include "tracer/function_table.h"
#include "tracer/merge.h"
#include "tracer/tree.h"

namespace skbtrail::tracer {

inline constexpr chain::PacketId no_packet = 0;

struct Packets {
    std::vector<chain::Packet> packets;  ///< by id, which counts from 1
    /// Per CPU and event of its CpuMatch: the packet that was seen, or no_packet.
    std::map<unsigned, std::vector<chain::PacketId>> of_event;
    std::uint64_t implausible = 0;  ///< sightings whose fields cannot be an sk_buff's
};

/// Follows events that come one after the other, in order of time.
class PacketFollower {
  public:
    /// All arguments must outlive it.
    PacketFollower(const Capture& capture, const Forest& forest, const FunctionTable& functions,
                   const std::vector<std::string>& drop_reasons);
    ~PacketFollower();
    PacketFollower(const PacketFollower&) = delete;
    PacketFollower& operator=(const PacketFollower&) = delete;

    /// One call's events, in order of argument and list member. `node`: its place in the forest,
    /// or no_node. `packets`: per event, to be filled in.
    void call(const EventGroup& group, const std::vector<skbtrail_event>& events, NodeId node,
              std::vector<chain::PacketId>& packets);
    /// True when what becomes of the packets of a call depends on what it calls: call() has to wait
    /// for its return.
    [[nodiscard]] static bool looks_below(std::uint32_t roles);

    /// The nodes of the forest have got these numbers; no_node: they are forgotten.
    void renumber(const std::vector<NodeId>& numbers);
    /// Packets that came to their end before `time`, which are forgotten.
    std::vector<chain::Packet> take_ended(std::uint64_t time);
    /// The packets that are known, by their ids.
    [[nodiscard]] const std::map<chain::PacketId, chain::Packet>& living() const;
    /// All the others, nothing more being to come, in the order of their ids.
    std::vector<chain::Packet> finish();
    [[nodiscard]] std::uint64_t implausible() const;

  private:
    class Follower;
    std::unique_ptr<Follower> follower_;
};

/// The node of each group of events, per CPU; no_node for one without a call.
std::map<unsigned, std::vector<NodeId>> nodes_of_groups(const std::map<unsigned, CpuMatch>& matches,
                                                        const Forest& forest);

/// Follows all events of a recording in order of time.
Packets follow_packets(const Capture& capture, const std::map<unsigned, CpuMatch>& matches,
                       const Forest& forest, const FunctionTable& functions,
                       const std::vector<std::string>& drop_reasons);

}  // namespace skbtrail::tracer
