#include "tracer/following/outcomes.h"

#include <utility>

#include "tracer/following/renumber.h"
#include "tracer/policy.h"

namespace skbtrail::tracer {

using chain::PacketId;

void Outcomes::seen(const skbtrail_event& event, FunctionId function, NodeId node, PacketId id) {
    if (function == no_function) return;
    const auto roles = tree_.roles_of(function);
    const auto& name = tree_.name_of(function);
    const Sighting here{event, name, roles, node, id};
    if ((roles & role::transmits) != 0) {
        fates_.set(id, event.skb, Weight::transmitted, {.kind = "transmitted", .function = name});
    }
    if ((roles & (role::delivers | role::may_deliver)) != 0) deliver(here);
    if ((roles & role::reads) != 0) read(here);
    // Only the last reference of this sk_buff is its end.
    if ((roles & (role::drops | role::consumes)) != 0 && event.users <= 1) free(here);
}

void Outcomes::name_socket(NodeId node, std::uint64_t inode) {
    const auto found =
        deliveries_.find(tree_.caller_with(node, role::delivers | role::may_deliver));
    if (found == deliveries_.end()) return;
    auto* fate = fates_.delivery(found->second.packet, found->second.skb);
    if (fate != nullptr && fate->socket == 0) fate->socket = inode;
}

void Outcomes::cloned(PacketId id, chain::Address skb, NodeId cloning) {
    const auto tap = tree_.caller_with(cloning, role::taps);
    if (tap == no_node || shown_.erase(tap) == 0) return;
    fates_.set(id, skb, Weight::delivered,
               {.kind = "delivered", .function = tree_.name_of(tree_.function_of(tap))}, true);
    deliveries_[tap] = {id, skb};
}

void Outcomes::renumber(const std::vector<NodeId>& numbers) {
    renumber_keys(deliveries_, numbers);
    std::unordered_set<NodeId> shown;
    for (const auto node : shown_) {
        if (node < numbers.size() && numbers[node] != no_node) shown.insert(numbers[node]);
    }
    shown_ = std::move(shown);
}

void Outcomes::deliver(const Sighting& here) {
    const auto& [event, name, roles, node, id] = here;
    if ((roles & role::delivers) == 0 && !tree_.has_below(node, role::wakes)) return;
    chain::Fate fate{.kind = "delivered", .function = name};
    if ((roles & role::has_socket) != 0) fate.socket = event.extra;
    if ((roles & role::taps) != 0) {
        if (tree_.has_below(node, role::clones)) {
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

void Outcomes::read(const Sighting& here) {
    const auto& [event, name, roles, node, id] = here;
    const bool shown =
        tree_.caller_with(node, role::taps) != no_node && fates_.is_clone(id, event.skb);
    fates_.set(id, event.skb, Weight::delivered, {.kind = "delivered", .function = name}, shown);
    auto* fate = fates_.delivery(id, event.skb);
    if (fate == nullptr) return;
    if (fate->socket == 0 && (roles & role::has_socket) != 0) fate->socket = event.extra;
    if (node != no_node) fate->pid = tree_.thread_of(node);
}

void Outcomes::free(const Sighting& here) {
    const auto& [event, name, roles, node, id] = here;
    // The function that called this one is who decided.
    const auto& caller = tree_.name_of(tree_.function_of(tree_.parent_of(node)));
    const auto& where = caller.empty() ? name : caller;
    constexpr std::uint64_t reason_consumed = 1;  // SKB_CONSUMED, after SKB_NOT_DROPPED_YET
    if ((roles & role::consumes) != 0 || event.extra <= reason_consumed) {
        fates_.set(id, event.skb, Weight::consumed, {.kind = "consumed", .function = where});
        return;
    }
    // A driver that drops what it was given has not transmitted it.
    if (fates_.weight(id, event.skb) == Weight::transmitted &&
        tree_.caller_with(node, role::transmits) != no_node) {
        fates_.take_back(id, event.skb);
    }
    fates_.set(id, event.skb, Weight::dropped,
               {.kind = "dropped", .function = where, .reason = reason_name(event.extra)});
}

std::string Outcomes::reason_name(std::uint64_t number) const {
    if (number < drop_reasons_.size() && !drop_reasons_[number].empty()) {
        return drop_reasons_[number];
    }
    return std::to_string(number);
}

}  // namespace skbtrail::tracer
