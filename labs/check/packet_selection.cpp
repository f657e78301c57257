#include "labs/check/packet_selection.h"

#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tracer/chain/glob.h"

namespace skbtrail::labs {
namespace {

/// What a packet has under a word of a selector: a header, what became of it ("fate",
/// "fate.function", "fate.reason"), or how it is related to others ("edge").
std::vector<std::string> values_of(const chain::Packet& packet, const std::string& word) {
    if (word == "fate") return {packet.fate.kind};
    if (word == "fate.function") return {packet.fate.function};
    if (word == "fate.reason") return {packet.fate.reason};
    std::vector<std::string> values;
    if (word == "edge") {
        for (const chain::PacketEdge& edge : packet.edges) values.push_back(edge.kind);
    } else if (const auto header = packet.headers.find(word); header != packet.headers.end()) {
        values.push_back(header->second);
    }
    return values;
}

bool selects(const PacketSelector& selector, const chain::Packet& packet) {
    return std::all_of(selector.headers.begin(), selector.headers.end(), [&](const auto& wanted) {
        const auto values = values_of(packet, wanted.first);
        return std::any_of(values.begin(), values.end(), [&](const std::string& value) {
            return chain::any_glob_matches(wanted.second, value);
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
