#include "labs/check/packet_selection.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "labs/check/notices.h"
#include "tracer/chain/glob.h"

namespace skbtrail::labs {
namespace {

/// The ring's events that carried each packet, by their place among all of them.
struct Carriers {
    const std::vector<chain::RingEvent>& events;
    std::multimap<chain::PacketId, std::size_t> of = {};
};

bool is_of_the_ring(const std::string& word) {
    return word.starts_with("ring.");
}

/// Empty for a selector that asks nothing of the ring.
Carriers carriers_for(const PacketSelector& selector, const chain::Recording& recording) {
    Carriers carriers{recording.ring_events};
    const bool asked = std::any_of(selector.headers.begin(), selector.headers.end(),
                                   [](const auto& wanted) { return is_of_the_ring(wanted.first); });
    if (!asked) return carriers;
    for (std::size_t i = 0; i < carriers.events.size(); ++i) {
        if (const auto packet = carriers.events[i].packet) carriers.of.emplace(*packet, i);
    }
    return carriers;
}

const char* notice_text(const chain::RingEvent& notice) {
    return notice.event == "kick" || notice.event == "call" ? "made" : "suppressed";
}

/// What a NIC saw of the packet: "ring.nic", "ring.queue" and "ring.descriptors" of the buffer that
/// it was in, and "ring.kick" that came with it; "ring.length" when the NIC gave that back, and
/// "ring.call" behind it.
std::vector<std::string> ring_values(const chain::Packet& packet, const std::string& word,
                                     const Carriers& carriers) {
    std::vector<std::string> values;
    const auto [first, last] = carriers.of.equal_range(packet.id);
    for (auto carrier = first; carrier != last; ++carrier) {
        const chain::RingEvent& event = carriers.events[carrier->second];
        const bool available = event.event == "available";
        const bool used = event.event == "used";
        if (word == "ring.nic" && available) values.push_back(fmt::to_string(event.nic));
        if (word == "ring.queue" && available) values.push_back(fmt::to_string(event.queue));
        if (word == "ring.descriptors" && available) {
            values.push_back(fmt::to_string(event.descriptors.size()));
        }
        if (word == "ring.length" && used && event.length) {
            values.push_back(fmt::to_string(*event.length));
        }
        const chain::RingEvent* notice = nullptr;
        if (word == "ring.kick" && available) {
            notice = kick_of(carriers.events, carrier->second);
        }
        if (word == "ring.call" && used) notice = call_of(carriers.events, carrier->second);
        if (notice != nullptr) values.emplace_back(notice_text(*notice));
    }
    return values;
}

/// What a packet has under a word of a selector: a header, what became of it ("fate",
/// "fate.function", "fate.reason"), how it is related to others ("edge"), or what the NIC saw.
std::vector<std::string> values_of(const chain::Packet& packet, const std::string& word,
                                   const Carriers& carriers) {
    if (is_of_the_ring(word)) return ring_values(packet, word, carriers);
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

using Wanted = std::map<std::string, std::vector<std::string>>::value_type;

/// Whether the packet is as one word of a selector says.
bool agrees(const Wanted& wanted, const chain::Packet& packet, const Carriers& carriers) {
    const auto values = values_of(packet, wanted.first, carriers);
    return std::any_of(values.begin(), values.end(), [&](const std::string& value) {
        return chain::any_glob_matches(wanted.second, value);
    });
}

bool selects(const PacketSelector& selector, const chain::Packet& packet,
             const Carriers& carriers) {
    return std::all_of(selector.headers.begin(), selector.headers.end(),
                       [&](const auto& wanted) { return agrees(wanted, packet, carriers); });
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

std::optional<NearPacket> nearest_packet(const chain::Recording& recording,
                                         const PacketSelector& selector) {
    const Carriers carriers = carriers_for(selector, recording);
    std::optional<NearPacket> nearest;
    for (const chain::Packet& packet : recording.packets) {
        NearPacket near{packet.id, {}};
        for (const Wanted& wanted : selector.headers) {
            if (agrees(wanted, packet, carriers)) continue;
            auto values = values_of(packet, wanted.first, carriers);
            std::erase(values, "");
            near.other[wanted.first] = std::move(values);
        }
        if (near.other.size() >= selector.headers.size()) continue;
        if (!nearest || near.other.size() < nearest->other.size()) nearest = std::move(near);
    }
    return nearest;
}

std::set<PacketClass> packets_like(const Evidence& evidence, const PacketSelector& selector) {
    const Carriers carriers = carriers_for(selector, evidence.recording);
    std::set<PacketClass> selected;
    for (const chain::Packet& packet : evidence.recording.packets) {
        if (selects(selector, packet, carriers))
            selected.insert(evidence.forest.class_of(packet.id));
    }
    return selected;
}

}  // namespace skbtrail::labs
