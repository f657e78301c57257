#include "tracer/following/packets.h"

#include <algorithm>

#include "tracer/following/follower.h"
#include "tracer/policy.h"

namespace skbtrail::tracer {

using chain::PacketId;

PacketFollower::PacketFollower(const Capture& capture, const Forest& forest,
                               const FunctionTable& functions,
                               const std::vector<std::string>& drop_reasons)
    : follower_(std::make_unique<Follower>(capture, forest, functions, drop_reasons)) {}

PacketFollower::~PacketFollower() = default;

void PacketFollower::call(const EventGroup& group, const std::vector<skbtrail_event>& events,
                          NodeId node, std::vector<PacketId>& packets) {
    follower_->call(group, events, node, packets);
}

bool PacketFollower::looks_below(std::uint32_t roles) {
    return (roles & (role::delivers | role::may_deliver)) != 0;
}

void PacketFollower::renumber(const std::vector<NodeId>& numbers) {
    follower_->renumber(numbers);
}

std::vector<chain::Packet> PacketFollower::take_ended(std::uint64_t time) {
    return follower_->take_ended(time);
}

const std::map<PacketId, chain::Packet>& PacketFollower::living() const {
    return follower_->living();
}

std::vector<chain::Packet> PacketFollower::finish() {
    return follower_->finish();
}

std::uint64_t PacketFollower::implausible() const {
    return follower_->implausible();
}

std::map<unsigned, std::vector<NodeId>> nodes_of_groups(const std::map<unsigned, CpuMatch>& matches,
                                                        const Forest& forest) {
    std::map<unsigned, std::vector<NodeId>> nodes;
    for (const auto& [cpu, match] : matches) nodes[cpu].assign(match.groups.size(), no_node);
    for (NodeId id = 0; id < forest.nodes.size(); ++id) {
        const auto& node = forest.nodes[id];
        if (node.group != no_group) nodes[node.cpu][node.group] = id;
    }
    return nodes;
}

Packets follow_packets(const Capture& capture, const std::map<unsigned, CpuMatch>& matches,
                       const Forest& forest, const FunctionTable& functions,
                       const std::vector<std::string>& drop_reasons) {
    auto node_of_group = nodes_of_groups(matches, forest);
    struct Place {
        std::uint64_t time;
        unsigned cpu;
        std::uint32_t group;
    };
    std::vector<Place> order;
    PacketFollower follower(capture, forest, functions, drop_reasons);
    Packets result;
    for (const auto& [cpu, match] : matches) {
        result.of_event[cpu].assign(match.events.size(), no_packet);
        for (std::uint32_t i = 0; i < match.groups.size(); ++i) {
            order.push_back({match.groups[i].time, cpu, i});
        }
    }
    std::stable_sort(order.begin(), order.end(),
                     [](const Place& left, const Place& right) { return left.time < right.time; });
    for (const auto& place : order) {
        const auto& match = matches.at(place.cpu);
        follower.call(match.groups[place.group], match.events,
                      node_of_group[place.cpu][place.group], result.of_event[place.cpu]);
    }
    result.packets = follower.finish();
    result.implausible = follower.implausible();
    return result;
}

}  // namespace skbtrail::tracer
