#include "tracer/fates.h"

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

void Fates::held(PacketId packet, Address skb) {
    auto& holders = of(packet);
    if (find(holders, skb) == nullptr) holders.push_back({.skb = skb, .fate = {.skb = skb}});
}

void Fates::set(PacketId packet, Address skb, Weight weight, Fate fate, bool shown) {
    held(packet, skb);
    auto& holder = *find(of(packet), skb);
    if (weight <= holder.weight) return;
    fate.skb = skb;
    holder.weight = weight;
    holder.shown = shown;
    holder.fate = std::move(fate);
}

void Fates::shown(PacketId packet, Fate fate) {
    of(packet).push_back(
        {.weight = Weight::delivered, .shown = true, .freed = true, .fate = std::move(fate)});
}

void Fates::take_back(PacketId packet, Address skb) {
    if (auto* holder = find(of(packet), skb)) holder->weight = Weight::none;
}

void Fates::freed(PacketId packet, Address skb) {
    if (auto* holder = find(of(packet), skb)) holder->freed = true;
}

bool Fates::is_clone(PacketId packet, Address skb) const {
    const auto& holders = of(packet);
    return !holders.empty() && holders.front().skb != skb;
}

Weight Fates::weight(PacketId packet, Address skb) const {
    const auto& holders = of(packet);
    const auto found = std::find_if(holders.rbegin(), holders.rend(), [skb](const Holder& holder) {
        return holder.skb == skb && !holder.freed;
    });
    return found == holders.rend() ? Weight::none : found->weight;
}

Weight Fates::weight(PacketId packet) const {
    auto furthest = Weight::none;
    for (const auto& holder : of(packet)) {
        if (!holder.shown) furthest = std::max(furthest, holder.weight);
    }
    return furthest;
}

Fate* Fates::delivery(PacketId packet, Address skb) {
    auto* holder = find(of(packet), skb);
    return holder == nullptr || holder->weight != Weight::delivered ? nullptr : &holder->fate;
}

void Fates::write(std::vector<chain::Packet>& packets) const {
    for (auto& packet : packets) {
        const auto& holders = of(packet.id);
        const Holder* best = nullptr;
        // What was only shown to a packet socket is told of the packet if there is nothing else.
        const auto rank = [](const Holder& holder) {
            return holder.shown ? 1 : 2 * static_cast<int>(holder.weight);
        };
        for (const auto& holder : holders) {
            if (best == nullptr || rank(holder) > rank(*best)) best = &holder;
        }
        if (best == nullptr) continue;
        packet.fate = best->fate;
        if (holders.size() < 2) continue;
        for (const auto& holder : holders) packet.fates.push_back(holder.fate);
    }
}

}  // namespace skbtrail::tracer
