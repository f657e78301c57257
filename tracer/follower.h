// The work of PacketFollower (packets.h): who is who, what was made of whom, what became of it.
#pragma once

#include <algorithm>
#include <deque>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include <arpa/inet.h>
#include <fmt/format.h>

#include "tracer/fates.h"
#include "tracer/packet_headers.h"
#include "tracer/packets.h"
#include "tracer/policy.h"
#include "tracer/unions.h"

namespace skbtrail::tracer {

using chain::PacketId;

/// What a head's address stands for now.
struct Head {
    PacketId packet = no_packet;
    bool ended = false;
};

/// An sk_buff that was put into a socket's queue by a call.
struct Delivery {
    PacketId packet = no_packet;
    chain::Address skb = 0;
};

/// What is known of a struct sk_buff.
struct Skb {
    PacketId packet = no_packet;
    bool unset = false;              ///< allocated, its fields not set yet
    PacketId expanding = no_packet;  ///< pskb_expand_head is moving this packet
};

/// An ethertype that says that a VLAN's tag follows (802.1Q, 802.1ad).
inline bool is_vlan(std::uint16_t ethertype) {
    return ethertype == 0x8100 || ethertype == 0x88a8;
}

/// Could these be the fields of an sk_buff? Guards against pointers that were none.
inline bool plausible(const skbtrail_event& event) {
    constexpr std::uint32_t largest = 1U << 24U;
    return event.head != 0 && event.data >= event.head && event.data - event.head <= event.end &&
           event.end < largest && event.tail <= event.end && event.len < (1U << 30U);
}

/// So many packets that are forgotten lend their headers to copies of them still.
inline constexpr std::size_t remembered_headers = 4096;

/// What a copy looks like.
struct Looks {
    std::map<std::string, std::string> headers;
    std::string summary;
};

/// A packet and what is known of it.
struct Living {
    FunctionId last_function = no_function;
    bool complete = false;  ///< its headers need no better copy
};

/// The entries of a map by node under their nodes' new numbers.
template <typename Value>
void renumber_keys(std::unordered_map<NodeId, Value>& map, const std::vector<NodeId>& numbers) {
    std::unordered_map<NodeId, Value> left;
    for (auto& [node, value] : map) {
        if (node < numbers.size() && numbers[node] != no_node) {
            left.emplace(numbers[node], std::move(value));
        }
    }
    map = std::move(left);
}

class PacketFollower::Follower {
  public:
    Follower(const Capture& capture, const Forest& forest, const FunctionTable& functions,
             const std::vector<std::string>& drop_reasons)
        : capture_(capture), forest_(forest), functions_(functions), drop_reasons_(drop_reasons) {}

    /// One call's events, in order of argument and list member.
    void call(const EventGroup& group, const std::vector<skbtrail_event>& events, NodeId node,
              std::vector<PacketId>& packets) {
        const std::uint32_t roles =
            group.function == no_function ? 0 : functions_[group.function].roles;
        const auto extra = events[group.first].extra;
        if ((roles & role::takes_buffer) != 0 && node != no_node) buffers_[node] = extra;
        if ((roles & role::wakes) != 0) name_socket(node, extra);
        for (auto i = group.first; i < group.first + group.count; ++i) {
            const auto& event = events[i];
            if (event.skb == 0) continue;
            if ((roles & role::copies) != 0 && event.argument == 0 && is_clone(node)) continue;
            packets[i] = sight(event, roles);
            if (packets[i] == no_packet) continue;
            living_[packets[i]].last_function = group.function;
            if ((roles & role::arrives) != 0) arrive(node, packets[i]);
            if ((roles & role::forwards) != 0) {
                add_edge(packets[i], packets[i], "forward", name_of(group.function));
            }
            fate(event, group, roles, node, packets[i]);
            find_pieces(event, roles, node, packets[i]);
            unite(event, group, roles, packets[i]);
            end(event, roles, packets[i]);
        }
        if ((roles & role::copies) != 0) edge_of_copy(group, events, node, packets);
        if ((roles & (role::merges | role::coalesces)) != 0)
            try_union(group, events, packets, roles);
    }

    void renumber(const std::vector<NodeId>& numbers) {
        renumber_keys(cutting_, numbers);
        renumber_keys(deliveries_, numbers);
        renumber_keys(buffers_, numbers);
        std::unordered_set<NodeId> shown;
        for (const auto node : shown_) {
            if (node < numbers.size() && numbers[node] != no_node) shown.insert(numbers[node]);
        }
        shown_ = std::move(shown);
    }

    std::vector<chain::Packet> take_ended(std::uint64_t time) {
        std::vector<chain::Packet> taken;
        while (!ended_.empty() && ended_.front().first < time) {
            const auto id = ended_.front().second;
            ended_.pop_front();
            if (packets_.contains(id) && has_ended(id)) taken.push_back(take(id));
        }
        return taken;
    }

    std::vector<chain::Packet> finish() {
        for (const auto& one : unions_.undecided()) {
            if (fates_.weight(one.from.packet) <= Weight::consumed) settle(one);
        }
        std::vector<chain::Packet> taken;
        // A copy is behind what it was made of, and looks like that.
        while (!packets_.empty()) taken.push_back(take(packets_.begin()->first));
        return taken;
    }

    [[nodiscard]] const std::map<PacketId, chain::Packet>& living() const { return packets_; }
    [[nodiscard]] std::uint64_t implausible() const { return implausible_; }

  private:
    [[nodiscard]] bool knows(PacketId id) const { return packets_.contains(id); }
    chain::Packet& packet(PacketId id) { return packets_.at(id); }

    /// Tells all that is known of a packet, and forgets it.
    chain::Packet take(PacketId id) {
        auto taken = std::move(packets_.extract(id).mapped());
        fates_.write(taken);
        if (taken.fate.kind == "unknown" && !has_ended(taken)) {
            // Nobody saw its end: is it in the kernel still?
            taken.fate.kind = "queued";
            taken.fate.function = name_of(living_[id].last_function);
        }
        // A copy that was never complete enough to be read looks like what it was copied from.
        for (const auto& edge : taken.edges) {
            if (edge.kind == "gro_merge" || edge.kind == "coalesce" || edge.kind == "reassemble") {
                continue;
            }
            const auto other = looks_of(edge.packet);
            if (!other) continue;
            if (taken.headers.empty()) taken.headers = other->headers;
            if (taken.summary.empty()) taken.summary = other->summary;
        }
        fates_.forget(id);
        living_.erase(id);
        remember(taken);
        return taken;
    }

    std::optional<Looks> looks_of(PacketId id) const {
        if (const auto found = packets_.find(id); found != packets_.end()) {
            return Looks{found->second.headers, found->second.summary};
        }
        if (const auto found = remembered_.find(id); found != remembered_.end()) {
            return found->second;
        }
        return std::nullopt;
    }

    void remember(const chain::Packet& gone) {
        remembered_.emplace(gone.id, Looks{gone.headers, gone.summary});
        if (remembered_.size() > remembered_headers) remembered_.erase(remembered_.begin());
    }

    PacketId begin(std::uint64_t head, std::uint64_t time) {
        chain::Packet packet;
        packet.id = next_id_++;
        packet.identified_by = "head";
        packet.head = head;
        packet.first_seen = static_cast<chain::Nanoseconds>(time);
        const auto id = packet.id;
        packets_.emplace(id, std::move(packet));
        fates_.add_packet(id);
        const auto before = std::exchange(heads_[head], {id, false});
        if (before.packet != no_packet && !before.ended) ended_.emplace_back(time, before.packet);
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
        const bool known = skb.unset && knows(skb.packet) &&
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
            ++implausible_;
            return no_packet;
        }
        const auto head = heads_.find(event.head);
        const bool same =
            head != heads_.end() && (!head->second.ended || (roles & role::after_end) != 0);
        const auto id = same ? head->second.packet : begin(event.head, event.time);
        if (!knows(id)) return no_packet;  // long after its end: it was told of
        auto& skb = skbs_[event.skb];
        if (skb.expanding != no_packet && skb.expanding != id) {
            add_edge(id, skb.expanding, "expand_head", "pskb_expand_head");
            fates_.set(skb.expanding, event.skb, Weight::merged,
                       {.kind = "moved", .function = "pskb_expand_head", .into = id});
            skb.expanding = no_packet;
        }
        skb.packet = id;
        skb.unset = false;
        if ((roles & role::expands) != 0) skb.expanding = id;
        fates_.held(id, event.skb);
        read_headers(event, id);
        for (const auto& one : unions_.seen({id, event.skb}, event.len)) settle(one);
        return id;
    }

    /// What the call is the end of: the head, the sk_buff.
    void end(const skbtrail_event& event, std::uint32_t roles, PacketId id) {
        const bool head_taken = (roles & role::absorbs) != 0 && event.extra != 0;
        if ((roles & role::ends) != 0 || head_taken || (event.flags & SKBTRAIL_EVENT_LAST) != 0) {
            auto& head = heads_[event.head];
            if (!head.ended && head.packet != no_packet) {
                ended_.emplace_back(event.time, head.packet);
            }
            head.ended = true;
        }
        if ((roles & role::frees) != 0 || head_taken) {
            fates_.freed(id, event.skb);
            skbs_.erase(event.skb);
        }
    }

    [[nodiscard]] bool has_ended(const chain::Packet& packet) const {
        const auto head = heads_.find(packet.head);
        return head == heads_.end() || head->second.packet != packet.id || head->second.ended;
    }
    [[nodiscard]] bool has_ended(PacketId id) const {
        const auto known = packets_.find(id);
        return known == packets_.end() || has_ended(known->second);
    }

    std::string name_of(FunctionId function) const {
        return function == no_function ? "" : functions_[function].name;
    }

    /// The driver hands a packet over: it came in the buffer that the driver is dealing with.
    void arrive(NodeId node, PacketId id) {
        const auto taker = caller_with_role(forest_, functions_, node, role::takes_buffer);
        const auto buffer = buffers_.find(taker);
        if (taker != no_node && buffer != buffers_.end()) packet(id).arrived_in = buffer->second;
    }

    void read_headers(const skbtrail_event& event, PacketId id) {
        if ((event.flags & SKBTRAIL_EVENT_BYTES) == 0) return;
        // A second copy comes from a place where the headers are complete, unless a tag comes
        // first.
        const auto protocol = ntohs(event.protocol);
        const bool done = (event.flags & SKBTRAIL_EVENT_DONE) != 0 && !is_vlan(protocol);
        if (done && std::exchange(living_[id].complete, true)) return;
        auto& target = packet(id);
        auto decoded = decode_headers(protocol, capture_.bytes_of(event));
        // The tag is taken off on the way.
        auto tag = target.headers.extract("vlan.id");
        target.headers = std::move(decoded.fields);
        if (event.vlan_protocol != 0) {
            target.headers["vlan.id"] = std::to_string(event.vlan_tag & 0xfffU);
        } else if (!tag.empty()) {
            target.headers.insert(std::move(tag));
        }
        target.summary = std::move(decoded.summary);
    }

    void add_edge(PacketId id, PacketId other, const char* kind, const std::string& function,
                  chain::Address skb = 0) {
        if (!knows(id)) return;
        auto& edges = packet(id).edges;
        const bool known = std::any_of(edges.begin(), edges.end(), [&](const auto& edge) {
            return edge.packet == other && edge.kind == kind && edge.skb == skb;
        });
        if (known) return;
        edges.push_back({kind, other, function, skb});
        if (other != id) packet(id).identified_by = kind;
    }

    [[nodiscard]] bool is_clone(NodeId node) const {
        return caller_with_role(forest_, functions_, node, role::clones) != no_node;
    }

    void edge_of_copy(const EventGroup& group, const std::vector<skbtrail_event>& events,
                      NodeId node, const std::vector<PacketId>& packets) {
        PacketId made = no_packet;
        PacketId from = no_packet;
        chain::Address skb = 0;
        for (auto i = group.first; i < group.first + group.count; ++i) {
            (events[i].argument == 0 ? made : from) = packets[i];
            if (events[i].argument == 0) skb = events[i].skb;
        }
        if (from == no_packet) return;
        if (const auto cloning = caller_with_role(forest_, functions_, node, role::clones);
            cloning != no_node) {
            if (skb != 0) clone(from, skb, cloning);
            return;
        }
        if (made == no_packet || made == from) return;
        const auto cutting = caller_with_role(forest_, functions_, node, role::segments);
        const auto maker = cutting != no_node ? forest_.nodes[cutting].function : group.function;
        add_edge(made, from, cutting != no_node ? "segment" : "copy", name_of(maker));
    }

    void clone(PacketId id, chain::Address skb, NodeId cloning) {
        skbs_[skb] = Skb{id, false, no_packet};
        fates_.held(id, skb);
        add_edge(id, id, "clone", name_of(forest_.nodes[cloning].function), skb);
        // A packet socket that is shown a packet which others hold queues a clone of it.
        const auto tap = caller_with_role(forest_, functions_, cloning, role::taps);
        if (tap == no_node || shown_.erase(tap) == 0) return;
        fates_.set(id, skb, Weight::delivered,
                   {.kind = "delivered", .function = name_of(forest_.nodes[tap].function)}, true);
        deliveries_[tap] = {id, skb};
    }

    /// The pieces that a packet is cut into are given to what the cutting function calls.
    void find_pieces(const skbtrail_event& event, std::uint32_t roles, NodeId node, PacketId id) {
        if (node == no_node) return;
        if ((roles & role::fragments) != 0) cutting_.try_emplace(node, id);
        const auto parent = forest_.nodes[node].parent;
        const auto whole = parent == no_node ? cutting_.end() : cutting_.find(parent);
        if (whole == cutting_.end() || whole->second == id || event.argument > 5) return;
        add_edge(id, whole->second, "fragment", name_of(forest_.nodes[parent].function));
    }

    /// GRO, TCP and others try to put one packet into another. They may refuse; then it goes its
    /// own way.
    void try_union(const EventGroup& group, const std::vector<skbtrail_event>& events,
                   const std::vector<PacketId>& packets, std::uint32_t roles) {
        if (group.count < 2) return;
        const auto first = group.first;
        const Held into{packets[first], events[first].skb};
        const Held from{packets[first + 1], events[first + 1].skb};
        if (into.packet == no_packet || from.packet == no_packet || into.packet == from.packet) {
            return;
        }
        if ((roles & role::merges) != 0) {
            unions_.try_gro(from, into, events[first].len, name_of(group.function));
        } else {
            unions_.try_coalesce(from, into.packet, name_of(group.function));
        }
    }

    void unite(const skbtrail_event& event, const EventGroup& group, std::uint32_t roles,
               PacketId id) {
        if ((roles & role::collects) != 0) unions_.collect(event.extra, {id, event.skb});
        if ((roles & role::reassembles) != 0) {
            for (const auto& one : unions_.reassemble(event.extra, id, name_of(group.function))) {
                if (!has_ended(one.from.packet)) settle(one);
            }
        }
        if ((roles & role::absorbs) != 0) {
            for (const auto& one : unions_.absorbed({id, event.skb})) settle(one);
        }
    }

    void settle(const Union& one) {
        if (!knows(one.from.packet) ||
            fates_.weight(one.from.packet, one.from.skb) == Weight::merged) {
            return;
        }
        packet(one.from.packet).edges.push_back({one.kind, one.into, one.function, 0});
        fates_.set(one.from.packet, one.from.skb, Weight::merged,
                   {.kind = "merged", .function = one.function, .into = one.into});
    }

    /// The reader of a socket is told of what was put into its queue by a caller.
    void name_socket(NodeId node, std::uint64_t inode) {
        constexpr auto givers = role::delivers | role::may_deliver;
        const auto found = deliveries_.find(caller_with_role(forest_, functions_, node, givers));
        if (found == deliveries_.end()) return;
        auto* fate = fates_.delivery(found->second.packet, found->second.skb);
        if (fate != nullptr && fate->socket == 0) fate->socket = inode;
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

    void deliver(const skbtrail_event& event, const std::string& name, std::uint32_t roles,
                 NodeId node, PacketId id) {
        const bool told = node != no_node && has_role_below(forest_, functions_, node, role::wakes);
        if ((roles & role::delivers) == 0 && !told) return;
        chain::Fate fate{.kind = "delivered", .function = name};
        if ((roles & role::has_socket) != 0) fate.socket = event.extra;
        if ((roles & role::taps) != 0) {
            if (has_role_below(forest_, functions_, node, role::clones)) {
                shown_.insert(node);  // it will be a clone
                return;
            }
            if (event.users > 1) {
                fates_.shown(id, std::move(fate));
                return;
            }
        }
        const bool shown = (roles & role::taps) != 0 && fates_.is_clone(id, event.skb);
        fates_.set(id, event.skb, Weight::delivered, std::move(fate), shown);
        if (node != no_node) deliveries_[node] = {id, event.skb};
    }

    void read(const skbtrail_event& event, const std::string& name, std::uint32_t roles,
              NodeId node, PacketId id) {
        const bool shown = caller_with_role(forest_, functions_, node, role::taps) != no_node &&
                           fates_.is_clone(id, event.skb);
        fates_.set(id, event.skb, Weight::delivered, {.kind = "delivered", .function = name},
                   shown);
        auto* fate = fates_.delivery(id, event.skb);
        if (fate == nullptr) return;
        if (fate->socket == 0 && (roles & role::has_socket) != 0) fate->socket = event.extra;
        if (node != no_node) fate->pid = forest_.nodes[node].pid;
    }

    void fate(const skbtrail_event& event, const EventGroup& group, std::uint32_t roles,
              NodeId node, PacketId id) {
        if (group.function == no_function) return;
        const auto& name = functions_[group.function].name;
        if ((roles & role::transmits) != 0) {
            fates_.set(id, event.skb, Weight::transmitted,
                       {.kind = "transmitted", .function = name});
        }
        if ((roles & (role::delivers | role::may_deliver)) != 0) {
            deliver(event, name, roles, node, id);
        }
        if ((roles & role::reads) != 0) read(event, name, roles, node, id);
        // Only the last reference of this sk_buff is its end.
        if ((roles & (role::drops | role::consumes)) == 0 || event.users > 1) return;
        const auto caller = caller_of(node);
        const auto& where = caller.empty() ? name : caller;
        constexpr std::uint64_t reason_consumed = 1;  // SKB_CONSUMED, after SKB_NOT_DROPPED_YET
        if ((roles & role::consumes) != 0 || event.extra <= reason_consumed) {
            fates_.set(id, event.skb, Weight::consumed, {.kind = "consumed", .function = where});
            return;
        }
        // A driver that drops what it was given has not transmitted it.
        if (fates_.weight(id, event.skb) == Weight::transmitted &&
            caller_with_role(forest_, functions_, node, role::transmits) != no_node) {
            fates_.take_back(id, event.skb);
        }
        fates_.set(id, event.skb, Weight::dropped,
                   {.kind = "dropped", .function = where, .reason = reason_name(event.extra)});
    }

    const Capture& capture_;
    const Forest& forest_;
    const FunctionTable& functions_;
    const std::vector<std::string>& drop_reasons_;
    std::map<PacketId, chain::Packet> packets_;  ///< those not told of yet
    std::unordered_map<PacketId, Living> living_;
    std::map<PacketId, Looks> remembered_;
    std::deque<std::pair<std::uint64_t, PacketId>> ended_;  ///< when, in order
    PacketId next_id_ = 1;
    std::uint64_t implausible_ = 0;
    Fates fates_;
    Unions unions_;
    std::unordered_map<std::uint64_t, Head> heads_;
    std::unordered_map<std::uint64_t, Skb> skbs_;
    std::unordered_map<NodeId, PacketId> cutting_;     ///< what a call cuts into fragments
    std::unordered_map<NodeId, Delivery> deliveries_;  ///< by the call that put it into the queue
    std::unordered_set<NodeId> shown_;  ///< calls that will give a packet socket a clone
    std::unordered_map<NodeId, std::uint64_t> buffers_;  ///< receive buffers, by the taking call
};

}  // namespace skbtrail::tracer
