#include "tracer/following/fates.h"

#include <algorithm>
#include <utility>

namespace skbtrail::tracer {

using chain::Address;
using chain::Fate;
using chain::PacketId;

Fates::Holder* Fates::find(Holders& holders, Address skb) {
    const auto found = std::find_if(holders.rbegin(), holders.rend(), [skb](const Holder& holder) {
        return holder.skb == skb && !holder.freed;
    });
    return found == holders.rend() ? nullptr : &*found;
}

Fates::Holders* Fates::of(PacketId packet) {
    const auto found = packets_.find(packet);
    return found == packets_.end() ? nullptr : &found->second;
}

const Fates::Holders* Fates::of(PacketId packet) const {
    const auto found = packets_.find(packet);
    return found == packets_.end() ? nullptr : &found->second;
}

void Fates::held(PacketId packet, Address skb) {
    auto* holders = of(packet);
    if (holders == nullptr || find(*holders, skb) != nullptr) return;
    holders->push_back({.skb = skb, .fate = {.skb = skb}});
}

void Fates::set(PacketId packet, Address skb, Weight weight, Fate fate, bool shown) {
    held(packet, skb);
    auto* holders = of(packet);
    if (holders == nullptr) return;
    auto& holder = *find(*holders, skb);
    if (weight <= holder.weight) return;
    fate.skb = skb;
    holder.weight = weight;
    holder.shown = shown;
    holder.fate = std::move(fate);
}

void Fates::shown(PacketId packet, Fate fate) {
    auto* holders = of(packet);
    if (holders == nullptr) return;
    holders->push_back(
        {.weight = Weight::delivered, .shown = true, .freed = true, .fate = std::move(fate)});
}

void Fates::take_back(PacketId packet, Address skb) {
    auto* holders = of(packet);
    auto* holder = holders == nullptr ? nullptr : find(*holders, skb);
    if (holder != nullptr) holder->weight = Weight::none;
}

void Fates::freed(PacketId packet, Address skb) {
    auto* holders = of(packet);
    auto* holder = holders == nullptr ? nullptr : find(*holders, skb);
    if (holder != nullptr) holder->freed = true;
}

bool Fates::is_clone(PacketId packet, Address skb) const {
    const auto* holders = of(packet);
    return holders != nullptr && !holders->empty() && holders->front().skb != skb;
}

Weight Fates::weight(PacketId packet, Address skb) const {
    const auto* holders = of(packet);
    if (holders == nullptr) return Weight::none;
    const auto found =
        std::find_if(holders->rbegin(), holders->rend(),
                     [skb](const Holder& holder) { return holder.skb == skb && !holder.freed; });
    return found == holders->rend() ? Weight::none : found->weight;
}

Weight Fates::weight(PacketId packet) const {
    auto furthest = Weight::none;
    const auto* holders = of(packet);
    if (holders == nullptr) return furthest;
    for (const auto& holder : *holders) {
        if (!holder.shown) furthest = std::max(furthest, holder.weight);
    }
    return furthest;
}

Fate* Fates::delivery(PacketId packet, Address skb) {
    auto* holders = of(packet);
    auto* holder = holders == nullptr ? nullptr : find(*holders, skb);
    return holder == nullptr || holder->weight != Weight::delivered ? nullptr : &holder->fate;
}

void Fates::write(chain::Packet& packet) const {
    const auto* holders = of(packet.id);
    if (holders == nullptr) return;
    const Holder* best = nullptr;
    // What was only shown to a packet socket is told of the packet if there is nothing else.
    const auto rank = [](const Holder& holder) {
        return holder.shown ? 1 : 2 * static_cast<int>(holder.weight);
    };
    for (const auto& holder : *holders) {
        if (best == nullptr || rank(holder) > rank(*best)) best = &holder;
    }
    if (best == nullptr) return;
    packet.fate = best->fate;
    if (holders->size() < 2) return;
    for (const auto& holder : *holders) packet.fates.push_back(holder.fate);
}

}  // namespace skbtrail::tracer
