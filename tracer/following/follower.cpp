#include "tracer/following/follower.h"

#include "tracer/policy.h"

namespace skbtrail::tracer {

using chain::PacketId;

namespace {

/// Could these be the fields of an sk_buff? Guards against pointers that were none.
bool plausible(const skbtrail_event& event) {
    constexpr std::uint32_t largest = 1U << 24U;
    return event.head != 0 && event.data >= event.head && event.data - event.head <= event.end &&
           event.end < largest && event.tail <= event.end && event.len < (1U << 30U);
}

}  // namespace

PacketFollower::Follower::Follower(const Capture& capture, const Forest& forest,
                                   const FunctionTable& functions,
                                   const std::vector<std::string>& drop_reasons)
    : capture_(capture), tree_(forest, functions), outcomes_(tree_, drop_reasons, fates_) {}

void PacketFollower::Follower::call(const EventGroup& group,
                                    const std::vector<skbtrail_event>& events, NodeId node,
                                    std::vector<PacketId>& packets) {
    const auto function = group.function;
    const auto roles = tree_.roles_of(function);
    const auto extra = events[group.first].extra;
    if ((roles & role::takes_buffer) != 0 && node != no_node) origins_.took_buffer(node, extra);
    if ((roles & role::wakes) != 0) outcomes_.name_socket(node, extra);
    const bool copies = (roles & role::copies) != 0;
    const auto cloning = copies ? tree_.caller_with(node, role::clones) : no_node;
    for (auto i = group.first; i < group.first + group.count; ++i) {
        const auto& event = events[i];
        if (event.skb == 0 || (cloning != no_node && event.argument == 0)) continue;
        const bool target = copies && event.argument == 0;
        const auto id = packets[i] = target ? sight_target(event, node) : sight(event, roles);
        if (id == no_packet) continue;
        packets_.passed(id, function);
        origins_.seen(event, function, node, id);
        outcomes_.seen(event, function, node, id);
        unite(event, function, roles, id);
        end(event, roles, id);
    }
    if (copies) copy(group, events, node, cloning, packets);
    if ((roles & (role::merges | role::coalesces)) != 0) try_union(group, events, packets, roles);
}

void PacketFollower::Follower::renumber(const std::vector<NodeId>& numbers) {
    origins_.renumber(numbers);
    outcomes_.renumber(numbers);
}

std::vector<chain::Packet> PacketFollower::Follower::take_ended(std::uint64_t time) {
    std::vector<chain::Packet> taken;
    while (!ended_.empty() && ended_.front().first < time) {
        const auto id = ended_.front().second;
        ended_.pop_front();
        if (packets_.contains(id) && has_ended(id)) taken.push_back(take(id));
    }
    return taken;
}

std::vector<chain::Packet> PacketFollower::Follower::finish() {
    for (const auto& one : unions_.undecided()) {
        if (fates_.weight(one.from.packet) <= Weight::consumed) settle(one);
    }
    std::vector<chain::Packet> taken;
    // A copy is behind what it was made of, and looks like that.
    while (!living().empty()) taken.push_back(take(living().begin()->first));
    return taken;
}

/// Tells all that is known of a packet, and forgets it.
chain::Packet PacketFollower::Follower::take(PacketId id) {
    const auto last = packets_.last_function(id);
    auto taken = packets_.take(id);
    fates_.write(taken);
    fates_.forget(id);
    if (taken.fate.kind == "unknown" && !has_ended(taken)) {
        // Nobody saw its end: is it in the kernel still?
        taken.fate.kind = "queued";
        taken.fate.function = tree_.name_of(last);
    }
    return taken;
}

// --------------------------------------------------------------- which packet an event is of ---

PacketId PacketFollower::Follower::begin(std::uint64_t head, std::uint64_t time) {
    const auto id = packets_.add(head, time);
    fates_.add_packet(id);
    const auto before = std::exchange(heads_[head], {id, false});
    if (before.packet != no_packet && !before.ended) ended_.emplace_back(time, before.packet);
    return id;
}

/// The sk_buff is allocated, its fields are about to be set.
PacketId PacketFollower::Follower::sight_unset(const skbtrail_event& event, std::uint32_t roles) {
    auto& skb = skbs_[event.skb];
    if ((roles & role::begins) == 0 || event.extra == 0) {  // its head comes later
        // A living sk_buff may come here for a larger head.
        if (skb.expanding == no_packet) skb = Skb{no_packet, true, no_packet};
        return no_packet;
    }
    // One function of this kind may call the next.
    const bool known = skb.unset && packets_.contains(skb.packet) &&
                       packets_.at(skb.packet).head == event.extra && !heads_[event.extra].ended;
    const auto id = known ? skb.packet : begin(event.extra, event.time);
    skb = Skb{id, true, no_packet};
    return id;
}

/// The target of a copied header, which is no clone as far as the tree tells.
///
/// Before its fields are set they are its memory's past. A clone gets its head last, any other copy
/// was made with a head; some kernels inline what gives it one (__build_skb_around), and the
/// copying is the first that is seen of it.
PacketId PacketFollower::Follower::sight_target(const skbtrail_event& event, NodeId node) {
    const auto known = skbs_.find(event.skb);
    const bool met =
        known != skbs_.end() && !(known->second.unset && known->second.packet == no_packet);
    if (met) return sight(event, role::copies);
    // Whether it is a clone is told by the callers, if they were seen.
    if (tree_.parent_of(node) == no_node || !plausible(event)) return no_packet;
    begin(event.head, event.time);
    return sight(event, role::copies);
}

PacketId PacketFollower::Follower::sight(const skbtrail_event& event, std::uint32_t roles) {
    if ((event.flags & SKBTRAIL_EVENT_UNSET) != 0) return sight_unset(event, roles);
    if (!plausible(event)) {
        ++implausible_;
        return no_packet;
    }
    const auto head = heads_.find(event.head);
    const bool same =
        head != heads_.end() && (!head->second.ended || (roles & role::after_end) != 0);
    const auto id = same ? head->second.packet : begin(event.head, event.time);
    if (!packets_.contains(id)) return no_packet;  // long after its end: it was told of
    auto& skb = skbs_[event.skb];
    move(skb, event, id);
    skb.packet = id;
    skb.unset = false;
    if ((roles & role::expands) != 0) skb.expanding = id;
    fates_.held(id, event.skb);
    if ((event.flags & SKBTRAIL_EVENT_BYTES) != 0) {
        packets_.read_headers(id, event, capture_.bytes_of(event));
    }
    if (event.data_len > 0) packets_.has_pages(id);
    for (const auto& one : unions_.seen({id, event.skb}, event.len)) settle(one);
    return id;
}

/// The sk_buff holds the packet `to` now: the one that was being given a larger head went there.
void PacketFollower::Follower::move(Skb& skb, const skbtrail_event& event, PacketId to) {
    const auto from = skb.expanding;
    if (from == no_packet || from == to) return;
    packets_.add_edge(to, from, "expand_head", "pskb_expand_head");
    fates_.set(from, event.skb, Weight::merged,
               {.kind = "moved", .function = "pskb_expand_head", .into = to});
    skb.expanding = no_packet;
}

/// What the call is the end of: the head, the sk_buff.
void PacketFollower::Follower::end(const skbtrail_event& event, std::uint32_t roles, PacketId id) {
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

bool PacketFollower::Follower::has_ended(const chain::Packet& packet) const {
    const auto head = heads_.find(packet.head);
    return head == heads_.end() || head->second.packet != packet.id || head->second.ended;
}

bool PacketFollower::Follower::has_ended(PacketId id) const {
    const auto known = packets_.all().find(id);
    return known == packets_.all().end() || has_ended(known->second);
}

// ------------------------------------------------------------------------- copies, clones ------

/// A header was copied: into a new packet, or for a clone of the same by the call `cloning`.
void PacketFollower::Follower::copy(const EventGroup& group,
                                    const std::vector<skbtrail_event>& events, NodeId node,
                                    NodeId cloning, const std::vector<PacketId>& packets) {
    PacketId made = no_packet;
    PacketId from = no_packet;
    chain::Address skb = 0;
    for (auto i = group.first; i < group.first + group.count; ++i) {
        (events[i].argument == 0 ? made : from) = packets[i];
        if (events[i].argument == 0) skb = events[i].skb;
    }
    if (from == no_packet) return;
    if (cloning != no_node) {
        if (skb != 0) clone(from, skb, cloning);
    } else if (made != no_packet && made != from) {
        origins_.copied(made, from, group.function, node);
    }
}

void PacketFollower::Follower::clone(PacketId id, chain::Address skb, NodeId cloning) {
    skbs_[skb] = Skb{id, false, no_packet};
    fates_.held(id, skb);
    packets_.add_edge(id, id, "clone", tree_.name_of(tree_.function_of(cloning)), skb);
    outcomes_.cloned(id, skb, cloning);
}

// ------------------------------------------------------------------- packets that go into others

/// GRO, TCP and others try to put one packet into another. They may refuse; then it goes its own
/// way.
void PacketFollower::Follower::try_union(const EventGroup& group,
                                         const std::vector<skbtrail_event>& events,
                                         const std::vector<PacketId>& packets,
                                         std::uint32_t roles) {
    if (group.count < 2) return;
    const auto first = group.first;
    const Held into{packets[first], events[first].skb};
    const Held from{packets[first + 1], events[first + 1].skb};
    if (into.packet == no_packet || from.packet == no_packet || into.packet == from.packet) {
        return;
    }
    if ((roles & role::merges) != 0) {
        unions_.try_gro(from, into, events[first].len, tree_.name_of(group.function));
    } else {
        unions_.try_coalesce(from, into.packet, tree_.name_of(group.function));
    }
}

void PacketFollower::Follower::unite(const skbtrail_event& event, FunctionId function,
                                     std::uint32_t roles, PacketId id) {
    if ((roles & role::collects) != 0) unions_.collect(event.extra, {id, event.skb});
    if ((roles & role::reassembles) != 0) {
        for (const auto& one : unions_.reassemble(event.extra, id, tree_.name_of(function))) {
            if (!has_ended(one.from.packet)) settle(one);
        }
    }
    if ((roles & role::absorbs) != 0) {
        for (const auto& one : unions_.absorbed({id, event.skb})) settle(one);
    }
}

void PacketFollower::Follower::settle(const Union& one) {
    if (!packets_.contains(one.from.packet) ||
        fates_.weight(one.from.packet, one.from.skb) == Weight::merged) {
        return;
    }
    packets_.at(one.from.packet).edges.push_back({one.kind, one.into, one.function, 0});
    fates_.set(one.from.packet, one.from.skb, Weight::merged,
               {.kind = "merged", .function = one.function, .into = one.into});
}

}  // namespace skbtrail::tracer
