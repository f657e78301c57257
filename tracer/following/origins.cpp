#include "tracer/following/origins.h"

#include "tracer/following/renumber.h"
#include "tracer/policy.h"

namespace skbtrail::tracer {

using chain::PacketId;

void Origins::seen(const skbtrail_event& event, FunctionId function, NodeId node, PacketId id) {
    const auto roles = tree_.roles_of(function);
    if ((roles & role::arrives) != 0) arrive(node, id);
    if ((roles & role::forwards) != 0) {
        packets_.add_edge(id, id, "forward", tree_.name_of(function));
    }
    find_pieces(event, roles, node, id);
}

void Origins::copied(PacketId made, PacketId from, FunctionId function, NodeId node) {
    const auto cutting = tree_.caller_with(node, role::segments);
    const auto maker = cutting != no_node ? tree_.function_of(cutting) : function;
    packets_.add_edge(made, from, cutting != no_node ? "segment" : "copy", tree_.name_of(maker));
}

void Origins::renumber(const std::vector<NodeId>& numbers) {
    renumber_keys(cutting_, numbers);
    renumber_keys(buffers_, numbers);
}

/// The driver hands a packet over: it came in the buffer that the driver is dealing with.
void Origins::arrive(NodeId node, PacketId id) {
    const auto taker = tree_.caller_with(node, role::takes_buffer);
    const auto buffer = buffers_.find(taker);
    if (taker != no_node && buffer != buffers_.end()) packets_.at(id).arrived_in = buffer->second;
}

/// The pieces that a packet is cut into are given to what the cutting function calls.
void Origins::find_pieces(const skbtrail_event& event, std::uint32_t roles, NodeId node,
                          PacketId id) {
    if (node == no_node) return;
    if ((roles & role::fragments) != 0) cutting_.try_emplace(node, id);
    const auto parent = tree_.parent_of(node);
    const auto whole = parent == no_node ? cutting_.end() : cutting_.find(parent);
    if (whole == cutting_.end() || whole->second == id || event.argument > 5) return;
    packets_.add_edge(id, whole->second, "fragment", tree_.name_of(tree_.function_of(parent)));
}

}  // namespace skbtrail::tracer
