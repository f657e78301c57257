#include "labs/check/packet_class.h"

#include <algorithm>

namespace skbtrail::labs {
namespace {

/// Edges that lead to the same packet: the bytes moved or got another owner, nothing else.
bool keeps_identity(const chain::PacketEdge& edge) {
    return edge.kind == "expand_head" || edge.kind == "clone";
}

}  // namespace

std::map<chain::PacketId, PacketClass> packet_classes(const chain::Recording& recording) {
    std::map<chain::PacketId, PacketClass> parent;
    for (const chain::Packet& packet : recording.packets) parent[packet.id] = packet.id;
    const auto root = [&](PacketClass id) {
        while (parent.at(id) != id) {
            parent[id] = parent.at(parent.at(id));
            id = parent.at(id);
        }
        return id;
    };
    for (const chain::Packet& packet : recording.packets) {
        for (const chain::PacketEdge& edge : packet.edges) {
            if (!keeps_identity(edge) || !parent.contains(edge.packet)) continue;
            const PacketClass a = root(packet.id);
            const PacketClass b = root(edge.packet);
            parent[std::max(a, b)] = std::min(a, b);
        }
    }
    for (const chain::Packet& packet : recording.packets) parent[packet.id] = root(packet.id);
    return parent;
}

}  // namespace skbtrail::labs
