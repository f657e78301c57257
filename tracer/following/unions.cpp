#include "tracer/following/unions.h"

#include <utility>

namespace skbtrail::tracer {

using chain::PacketId;

void Unions::try_gro(Held from, Held into, std::uint32_t length, const std::string& function) {
    gro_[into.skb] = {{"gro_merge", from, into.packet, function}, length};
}

std::vector<Union> Unions::seen(Held into, std::uint32_t length) {
    const auto found = gro_.find(into.skb);
    if (found == gro_.end()) return {};
    auto attempt = std::move(found->second);
    gro_.erase(found);
    if (attempt.what.into != into.packet || length <= attempt.length) return {};
    return {std::move(attempt.what)};
}

std::vector<Union> Unions::undecided() const {
    std::vector<Union> rest;
    for (const auto& [skb, attempt] : gro_) rest.push_back(attempt.what);
    return rest;
}

void Unions::try_coalesce(Held from, PacketId into, const std::string& function) {
    // One such function calls another: the outer one is the kernel's decision.
    const auto [known, fresh] =
        coalescing_.try_emplace(from.skb, Union{"coalesce", from, into, function});
    if (!fresh && (known->second.from.packet != from.packet || known->second.into != into)) {
        known->second = {"coalesce", from, into, function};
    }
}

std::vector<Union> Unions::absorbed(Held from) {
    const auto found = coalescing_.find(from.skb);
    if (found == coalescing_.end()) return {};
    auto what = std::move(found->second);
    coalescing_.erase(found);
    if (what.from.packet != from.packet) return {};
    return {std::move(what)};
}

void Unions::collect(std::uint64_t queue, Held fragment) {
    queues_[queue].push_back(fragment);
}

std::vector<Union> Unions::reassemble(std::uint64_t queue, PacketId into,
                                      const std::string& function) {
    std::vector<Union> result;
    if (auto found = queues_.extract(queue)) {
        for (const auto& fragment : found.mapped()) {
            if (fragment.packet == into) continue;
            result.push_back({"reassemble", fragment, into, function});
        }
    }
    return result;
}

}  // namespace skbtrail::tracer
