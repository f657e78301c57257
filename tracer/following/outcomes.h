// What becomes of packets: which calls give a packet to a socket, to a reader, to the device, or
// free it, and why.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "tracer/bpf/event.h"
#include "tracer/chain/recording.h"
#include "tracer/following/call_tree.h"
#include "tracer/following/fates.h"

namespace skbtrail::tracer {

class Outcomes {
  public:
    /// All arguments must outlive it.
    Outcomes(const CallTree& tree, const std::vector<std::string>& drop_reasons, Fates& fates)
        : tree_(tree), drop_reasons_(drop_reasons), fates_(fates) {}

    /// The packet was seen at a call of `function`.
    void seen(const skbtrail_event& event, FunctionId function, NodeId node, chain::PacketId id);
    /// The reader of a socket is told of what was put into its queue by a caller of `node`.
    void name_socket(NodeId node, std::uint64_t inode);
    /// The call `cloning` has made the sk_buff a clone of the packet: a packet socket that is shown
    /// a packet which others hold queues one.
    void cloned(chain::PacketId id, chain::Address skb, NodeId cloning);

    void renumber(const std::vector<NodeId>& numbers);

  private:
    /// An sk_buff that was put into a socket's queue by a call.
    struct Delivery {
        chain::PacketId packet = 0;
        chain::Address skb = 0;
    };
    /// A sighting of a packet at a call.
    struct Sighting {
        const skbtrail_event& event;
        const std::string& function;
        std::uint32_t roles;
        NodeId node;
        chain::PacketId packet;
    };

    void deliver(const Sighting& here);
    void read(const Sighting& here);
    void free(const Sighting& here);
    [[nodiscard]] std::string reason_name(std::uint64_t number) const;

    const CallTree& tree_;
    const std::vector<std::string>& drop_reasons_;
    Fates& fates_;
    std::unordered_map<NodeId, Delivery> deliveries_;  ///< by the call that put it into the queue
    std::unordered_set<NodeId> shown_;  ///< calls that will give a packet socket a clone
};

}  // namespace skbtrail::tracer
