#include "labs/check/packet_selection.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fnmatch.h>

namespace skbtrail::labs {
namespace {

bool selects(const PacketSelector& selector, const chain::Packet& packet) {
    return std::all_of(selector.headers.begin(), selector.headers.end(), [&](const auto& wanted) {
        const auto header = packet.headers.find(wanted.first);
        return header != packet.headers.end() &&
               std::any_of(wanted.second.begin(), wanted.second.end(), [&](const auto& glob) {
                   return fnmatch(glob.c_str(), header->second.c_str(), 0) == 0;
               });
    });
}

}  // namespace

std::string headers_text(const PacketSelector& selector) {
    std::vector<std::string> parts;
    parts.reserve(selector.headers.size());
    for (const auto& [header, values] : selector.headers) {
        parts.push_back(fmt::format("{} {}", header, fmt::join(values, " or ")));
    }
    return fmt::format("a packet with {}", fmt::join(parts, ", "));
}

std::set<PacketClass> packets_like(const Evidence& evidence, const PacketSelector& selector) {
    std::set<PacketClass> selected;
    for (const chain::Packet& packet : evidence.recording.packets) {
        if (selects(selector, packet)) selected.insert(evidence.forest.class_of(packet.id));
    }
    return selected;
}

}  // namespace skbtrail::labs
