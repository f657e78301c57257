#include "tracer/packets.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include <arpa/inet.h>
#include <fmt/format.h>

#include "tracer/packet_headers.h"
#include "tracer/policy.h"

namespace skbtrail::tracer {

namespace {

using chain::PacketId;

/// What a head's address stands for now.
struct Head {
    PacketId packet = no_packet;
    bool ended = false;
};

/// What is known of a struct sk_buff.
struct Skb {
    PacketId packet = no_packet;
    bool unset = false;              ///< allocated, its fields not set yet
    PacketId expanding = no_packet;  ///< pskb_expand_head is moving this packet
};

/// GRO may have appended a packet to another one.
struct Merging {
    PacketId into = no_packet;
    std::string function;
};

/// How much a fate tells: a later, weaker one does not replace it.
enum class Weight : std::uint8_t { none, consumed, dropped, transmitted, delivered };

/// Could these be the fields of an sk_buff? Guards against pointers that were none.
bool plausible(const skbtrail_event& event) {
    constexpr std::uint32_t largest = 1U << 24U;
    return event.head != 0 && event.data >= event.head && event.data - event.head <= event.end &&
           event.end < largest && event.tail <= event.end && event.len < (1U << 30U);
}

class Follower {
  public:
    Follower(const Capture& capture, const Forest& forest, const FunctionTable& functions,
             const std::vector<std::string>& drop_reasons)
        : capture_(capture), forest_(forest), functions_(functions), drop_reasons_(drop_reasons) {}

    /// One call's events, in order of argument and list member.
    void call(const EventGroup& group, const std::vector<skbtrail_event>& events, NodeId node,
              std::vector<PacketId>& packets) {
        const std::uint32_t roles =
            group.function == no_function ? 0 : functions_[group.function].roles;
        if ((roles & role::takes_buffer) != 0 && node != no_node) {
            buffers_[node] = events[group.first].extra;
        }
        for (auto i = group.first; i < group.first + group.count; ++i) {
            const auto& event = events[i];
            if (event.skb == 0) continue;
            packets[i] = sight(event, roles);
            if (packets[i] == no_packet) continue;
            if ((roles & role::arrives) != 0) arrive(node, packets[i]);
            fate(event, group, roles, node, packets[i]);
        }
        if ((roles & role::copies) != 0) edge_of_copy(group, events, node, packets);
        if ((roles & role::merges) != 0) try_merge(group, events, packets);
    }

    Packets finish() {
        // A copy that was never complete enough to be read looks like what it was copied from.
        for (auto& packet : result_.packets) {
            for (const auto& edge : packet.edges) {
                if (edge.kind == "gro_merge") continue;
                const auto& other = result_.packets[edge.packet - 1];
                if (packet.headers.empty()) packet.headers = other.headers;
                if (packet.summary.empty()) packet.summary = other.summary;
            }
        }
        return std::move(result_);
    }

    Packets& result() { return result_; }

  private:
    chain::Packet& packet(PacketId id) { return result_.packets[id - 1]; }

    PacketId begin(std::uint64_t head, std::uint64_t time) {
        chain::Packet packet;
        packet.id = static_cast<PacketId>(result_.packets.size() + 1);
        packet.identified_by = "head";
        packet.head = head;
        packet.first_seen = static_cast<chain::Nanoseconds>(time);
        result_.packets.push_back(std::move(packet));
        weights_.push_back(Weight::none);
        const auto id = result_.packets.back().id;
        heads_[head] = {id, false};
        return id;
    }

    /// The sk_buff is allocated, its fields are about to be set.
    PacketId sight_unset(const skbtrail_event& event, std::uint32_t roles) {
        auto& skb = skbs_[event.skb];
        if ((roles & role::begins) == 0 || event.extra == 0) {  // its head comes later
            // A living sk_buff may come here for a larger head.
            if (skb.expanding == no_packet) skb = Skb{no_packet, true, no_packet};
            return no_packet;
        }
        // One function of this kind may call the next.
        const bool known = skb.unset && skb.packet != no_packet &&
                           packet(skb.packet).head == event.extra && !heads_[event.extra].ended;
        const auto id = known ? skb.packet : begin(event.extra, event.time);
        skb = Skb{id, true, no_packet};
        return id;
    }

    PacketId sight(const skbtrail_event& event, std::uint32_t roles) {
        if ((event.flags & SKBTRAIL_EVENT_UNSET) != 0) return sight_unset(event, roles);
        // The target of a copied header has a head of its own only if it was given one before.
        if ((roles & role::copies) != 0 && event.argument == 0) {
            const auto known = skbs_.find(event.skb);
            if (event.head == 0 || known == skbs_.end() ||
                (known->second.unset && known->second.packet == no_packet)) {
                return no_packet;
            }
        }
        if (!plausible(event)) {
            ++result_.implausible;
            return no_packet;
        }
        const auto head = heads_.find(event.head);
        const bool same =
            head != heads_.end() && (!head->second.ended || (roles & role::after_end) != 0);
        const auto id = same ? head->second.packet : begin(event.head, event.time);
        auto& skb = skbs_[event.skb];
        if (skb.expanding != no_packet && skb.expanding != id) {
            add_edge(id, skb.expanding, "expand_head");
            skb.expanding = no_packet;
        }
        skb.packet = id;
        skb.unset = false;
        if ((roles & role::expands) != 0) skb.expanding = id;
        read_headers(event, id);
        if ((roles & role::ends) != 0 || (event.flags & SKBTRAIL_EVENT_LAST) != 0) {
            heads_[event.head].ended = true;
            confirm_merge(id);
        }
        if ((roles & role::frees) != 0) skbs_.erase(event.skb);
        return id;
    }

    /// The driver hands a packet over: it came in the buffer that the driver is dealing with.
    void arrive(NodeId node, PacketId id) {
        const auto taker = caller_with_role(forest_, functions_, node, role::takes_buffer);
        const auto buffer = buffers_.find(taker);
        if (taker != no_node && buffer != buffers_.end()) packet(id).arrived_in = buffer->second;
    }

    void read_headers(const skbtrail_event& event, PacketId id) {
        if ((event.flags & SKBTRAIL_EVENT_BYTES) == 0) return;
        // A second copy comes from a place where the headers are complete.
        if ((event.flags & SKBTRAIL_EVENT_DONE) != 0 && !complete_.insert(id).second) return;
        auto& target = packet(id);
        auto decoded = decode_headers(ntohs(event.protocol), capture_.bytes_of(event));
        target.headers = std::move(decoded.fields);
        target.summary = std::move(decoded.summary);
    }

    void add_edge(PacketId id, PacketId other, const char* kind) {
        auto& edges = packet(id).edges;
        const bool known = std::any_of(edges.begin(), edges.end(), [&](const auto& edge) {
            return edge.packet == other && edge.kind == kind;
        });
        if (known) return;
        edges.push_back({kind, other});
        packet(id).identified_by = kind;
    }

    void edge_of_copy(const EventGroup& group, const std::vector<skbtrail_event>& events,
                      NodeId node, const std::vector<PacketId>& packets) {
        PacketId made = no_packet;
        PacketId from = no_packet;
        for (auto i = group.first; i < group.first + group.count; ++i) {
            (events[i].argument == 0 ? made : from) = packets[i];
        }
        if (made == no_packet || from == no_packet || made == from) return;
        const bool segment = caller_with_role(forest_, functions_, node, role::segments) != no_node;
        add_edge(made, from, segment ? "segment" : "copy");
    }

    /// GRO tries to append one packet to another. It may refuse; then the packet goes its own way.
    void try_merge(const EventGroup& group, const std::vector<skbtrail_event>& events,
                   const std::vector<PacketId>& packets) {
        PacketId into = no_packet;
        PacketId from = no_packet;
        for (auto i = group.first; i < group.first + group.count; ++i) {
            (events[i].argument == 0 ? into : from) = packets[i];
        }
        if (into == no_packet || from == no_packet || into == from) return;
        merging_[from] = {into, functions_[group.function].name};
    }

    /// A packet that ended with no other fate than to have been appended was appended.
    void confirm_merge(PacketId id) {
        const auto merging = merging_.find(id);
        if (merging == merging_.end()) return;
        if (weights_[id - 1] <= Weight::consumed) {
            packet(id).edges.push_back({"gro_merge", merging->second.into});
            packet(id).fate = {"consumed", merging->second.function, {}};
            weights_[id - 1] = Weight::consumed;
        }
        merging_.erase(merging);
    }

    void set_fate(PacketId id, Weight weight, chain::Fate fate) {
        auto& known = weights_[id - 1];
        if (weight <= known) return;
        known = weight;
        packet(id).fate = std::move(fate);
    }

    /// The function that called `node`'s: who decided.
    std::string caller_of(NodeId node) const {
        if (node == no_node || forest_.nodes[node].parent == no_node) return {};
        const auto function = forest_.nodes[forest_.nodes[node].parent].function;
        return function == no_function ? "" : functions_[function].name;
    }

    std::string reason_name(std::uint64_t number) const {
        if (number < drop_reasons_.size() && !drop_reasons_[number].empty()) {
            return drop_reasons_[number];
        }
        return std::to_string(number);
    }

    void fate(const skbtrail_event& event, const EventGroup& group, std::uint32_t roles,
              NodeId node, PacketId id) {
        if (group.function == no_function) return;
        const auto& name = functions_[group.function].name;
        if ((roles & role::transmits) != 0) {
            set_fate(id, Weight::transmitted, {"transmitted", name, {}});
        }
        if ((roles & role::delivers) != 0 ||
            ((roles & role::may_deliver) != 0 && node != no_node &&
             has_role_below(forest_, functions_, node, role::wakes))) {
            set_fate(id, Weight::delivered, {"delivered", name, {}});
        }
        // Only the last reference of this sk_buff is its end.
        if ((roles & (role::drops | role::consumes)) == 0 || event.users > 1) return;
        const auto caller = caller_of(node);
        const auto& where = caller.empty() ? name : caller;
        constexpr std::uint64_t reason_consumed = 1;  // SKB_CONSUMED, after SKB_NOT_DROPPED_YET
        if ((roles & role::consumes) != 0 || event.extra <= reason_consumed) {
            set_fate(id, Weight::consumed, {"consumed", where, {}});
            return;
        }
        // A driver that drops what it was given has not transmitted it.
        if (weights_[id - 1] == Weight::transmitted &&
            caller_with_role(forest_, functions_, node, role::transmits) != no_node) {
            weights_[id - 1] = Weight::none;
        }
        set_fate(id, Weight::dropped, {"dropped", where, reason_name(event.extra)});
    }

    const Capture& capture_;
    const Forest& forest_;
    const FunctionTable& functions_;
    const std::vector<std::string>& drop_reasons_;
    Packets result_;
    std::vector<Weight> weights_;  // per packet
    std::unordered_map<std::uint64_t, Head> heads_;
    std::unordered_map<std::uint64_t, Skb> skbs_;
    std::unordered_map<PacketId, Merging> merging_;
    std::unordered_map<NodeId, std::uint64_t> buffers_;  ///< receive buffers, by the taking call
    std::unordered_set<PacketId> complete_;              ///< whose headers need no better copy
};

}  // namespace

Packets follow_packets(const Capture& capture, const std::map<unsigned, CpuMatch>& matches,
                       const Forest& forest, const FunctionTable& functions,
                       const std::vector<std::string>& drop_reasons) {
    // Which node a group belongs to: nodes point at their groups.
    std::map<unsigned, std::vector<NodeId>> node_of_group;
    for (const auto& [cpu, match] : matches) {
        node_of_group[cpu].assign(match.groups.size(), no_node);
    }
    for (NodeId id = 0; id < forest.nodes.size(); ++id) {
        const auto& node = forest.nodes[id];
        if (node.group != no_group) node_of_group[node.cpu][node.group] = id;
    }

    struct Place {
        std::uint64_t time;
        unsigned cpu;
        std::uint32_t group;
    };
    std::vector<Place> order;
    Follower follower(capture, forest, functions, drop_reasons);
    auto& result = follower.result();
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
    return follower.finish();
}

}  // namespace skbtrail::tracer
