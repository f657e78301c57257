#include "labs/show/fold.h"

#include <algorithm>
#include <utility>

namespace skbtrail::labs {
namespace {

std::size_t count_calls(const chain::Call& call) {
    std::size_t count = 1;
    for (const chain::Call& below : call.calls) count += count_calls(below);
    return count;
}

bool look_the_same(const ShownCall& a, const ShownCall& b) {
    const bool plain = !a.matters && !b.matters && a.calls.empty() && b.calls.empty();
    return plain && a.call->function == b.call->function && a.call->cpu == b.call->cpu &&
           a.call->budget == b.call->budget && a.call->work == b.call->work;
}

}  // namespace

bool Folding::shows(const chain::SkbGeometry& skb) const {
    return !options_.packet || skb.packet == options_.packet;
}

bool Folding::handles_packet(const chain::Call& call) const {
    return std::any_of(call.skbs.begin(), call.skbs.end(),
                       [&](const chain::SkbGeometry& skb) { return shows(skb); }) ||
           std::any_of(call.calls.begin(), call.calls.end(),
                       [&](const chain::Call& below) { return handles_packet(below); });
}

bool Folding::is_noise(const chain::Call& call) {
    const auto [entry, added] = known_.try_emplace(call.function, false);
    if (added) entry->second = filter_.is_noise(call.function);
    return entry->second;
}

bool Folding::lacks_something(const chain::Call& call) const {
    return !call.incomplete.empty() ||
           std::any_of(call.calls.begin(), call.calls.end(),
                       [&](const chain::Call& below) { return lacks_something(below); });
}

ShownCall Folding::fold(const chain::Call& root) {
    has_packets_ = handles_packet(root);
    return fold_call(root);
}

ShownCall Folding::fold_call(const chain::Call& call) {
    ShownCall shown;
    shown.call = &call;
    shown.duration = call.duration.value_or(0);
    shown.interrupted = call.interrupted;
    shown.returned = call.duration.has_value();
    shown.has_packet = handles_packet(call);
    shown.matters = shown.has_packet || lacks_something(call);
    for (const chain::Call& below : call.calls) {
        // Noise that handles a packet is worth a look: kfree_skb's friends live among the memory.
        if (options_.fold && is_noise(below) && !handles_packet(below) && !lacks_something(below)) {
            noise_count_ += count_calls(below);
            continue;
        }
        if (options_.fold && has_packets_ && !shown.matters) {
            const std::size_t count = count_calls(below);
            shown.folded += count;
            folded_count_ += count;
            continue;
        }
        ShownCall next = fold_call(below);
        if (options_.fold && !shown.calls.empty() && look_the_same(shown.calls.back(), next)) {
            ShownCall& last = shown.calls.back();
            ++last.times;
            last.duration += next.duration;
            last.interrupted += next.interrupted;
            last.returned = last.returned && next.returned;
            last.folded += next.folded;
        } else {
            shown.calls.push_back(std::move(next));
        }
    }
    return shown;
}

}  // namespace skbtrail::labs
