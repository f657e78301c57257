// Where packets come from: a buffer of the device, or another packet.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "tracer/bpf/event.h"
#include "tracer/chain/recording.h"
#include "tracer/following/call_tree.h"
#include "tracer/following/known_packets.h"

namespace skbtrail::tracer {

class Origins {
  public:
    /// Both must outlive it.
    Origins(const CallTree& tree, KnownPackets& packets) : tree_(tree), packets_(packets) {}

    /// The call at `node` took this receive buffer from the device.
    void took_buffer(NodeId node, std::uint64_t buffer) { buffers_[node] = buffer; }
    /// The packet was seen at the call at `node`, a call of `function`.
    void seen(const skbtrail_event& event, FunctionId function, NodeId node, chain::PacketId id);
    /// The packet `made` has got the header of `from`.
    void copied(chain::PacketId made, chain::PacketId from, FunctionId function, NodeId node);

    void renumber(const std::vector<NodeId>& numbers);

  private:
    void arrive(NodeId node, chain::PacketId id);
    void find_pieces(const skbtrail_event& event, std::uint32_t roles, NodeId node,
                     chain::PacketId id);

    const CallTree& tree_;
    KnownPackets& packets_;
    std::unordered_map<NodeId, std::uint64_t> buffers_;    ///< by the taking call
    std::unordered_map<NodeId, chain::PacketId> cutting_;  ///< what a call cuts into fragments
};

}  // namespace skbtrail::tracer
