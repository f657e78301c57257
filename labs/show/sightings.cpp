#include "labs/show/sightings.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace skbtrail::labs {
namespace {

struct Sighting {
    chain::Nanoseconds time;
    const chain::SkbGeometry* geometry;
};

void collect(const chain::Call& call, std::map<chain::PacketId, std::vector<Sighting>>& found) {
    for (const chain::SkbGeometry& skb : call.skbs) {
        if (skb.packet) found[*skb.packet].push_back({call.start, &skb});
    }
    for (const chain::Call& below : call.calls) collect(below, found);
}

}  // namespace

std::string movement(const chain::SkbGeometry& before, const chain::SkbGeometry& now) {
    if (now.head != before.head) return "new head";
    std::string text;
    const auto add = [&](const std::string& what) { text += text.empty() ? what : ", " + what; };
    const std::int64_t data = now.data - before.data;
    const std::int64_t tail = now.tail - before.tail;
    // skb_reserve() moves both while there is nothing between them; it is the only one that does.
    if (data > 0 && data == tail && now.data == now.tail) {
        add(fmt::format("reserved {}", data));
    } else {
        if (data > 0) add(fmt::format("pulled {}", data));
        if (data < 0) add(fmt::format("pushed {}", -data));
        if (tail > 0) add(fmt::format("put {}", tail));
        if (tail < 0) add(fmt::format("trimmed {}", -tail));
    }
    const std::int64_t paged = std::int64_t{now.data_len} - std::int64_t{before.data_len};
    if (paged > 0) add(fmt::format("{} more in pages", paged));
    if (paged < 0) add(fmt::format("{} fewer in pages", -paged));
    return text;
}

Sightings::Sightings(const chain::Recording& recording) {
    std::map<chain::PacketId, std::vector<Sighting>> found;
    for (const chain::Chain& chain : recording.chains) collect(chain.root, found);
    for (auto& [packet, sightings] : found) {
        std::stable_sort(sightings.begin(), sightings.end(),
                         [](const Sighting& a, const Sighting& b) { return a.time < b.time; });
        for (std::size_t i = 1; i < sightings.size(); ++i) {
            before_.emplace(sightings[i].geometry, sightings[i - 1].geometry);
        }
    }
}

const chain::SkbGeometry* Sightings::before(const chain::SkbGeometry& geometry) const {
    const auto found = before_.find(&geometry);
    return found == before_.end() ? nullptr : found->second;
}

}  // namespace skbtrail::labs
