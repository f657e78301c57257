#include "tracer/following/known_packets.h"

#include <algorithm>
#include <utility>

#include <arpa/inet.h>

#include "tracer/packet_headers.h"

namespace skbtrail::tracer {

using chain::PacketId;

namespace {

/// So many packets that are forgotten lend their headers to copies of them still.
constexpr std::size_t remembered_headers = 4096;

constexpr const char* payload = "payload";

/// An ethertype that says that a VLAN's tag follows (802.1Q, 802.1ad).
bool is_vlan(std::uint16_t ethertype) {
    return ethertype == 0x8100 || ethertype == 0x88a8;
}

/// The packet went into the other, which need not look like it.
bool is_union(const chain::PacketEdge& edge) {
    return edge.kind == "gro_merge" || edge.kind == "coalesce" || edge.kind == "reassemble";
}

}  // namespace

PacketId KnownPackets::add(std::uint64_t head, std::uint64_t time) {
    chain::Packet packet;
    packet.id = next_id_++;
    packet.identified_by = "head";
    packet.head = head;
    packet.first_seen = static_cast<chain::Nanoseconds>(time);
    const auto id = packet.id;
    packets_.emplace(id, std::move(packet));
    return id;
}

FunctionId KnownPackets::last_function(PacketId id) const {
    const auto known = states_.find(id);
    return known == states_.end() ? no_function : known->second.last_function;
}

void KnownPackets::read_headers(PacketId id, const skbtrail_event& event,
                                std::span<const std::uint8_t> bytes) {
    // A second copy comes from a place where the headers are complete, unless a tag comes
    // first.
    const auto protocol = ntohs(event.protocol);
    const bool done = (event.flags & SKBTRAIL_EVENT_DONE) != 0 && !is_vlan(protocol);
    if (done && std::exchange(states_[id].complete, true)) return;
    auto& target = at(id);
    auto decoded = decode_headers(protocol, bytes);
    // The tag is taken off on the way.
    auto tag = target.headers.extract("vlan.id");
    auto before = std::exchange(target.headers, std::move(decoded.fields));
    const bool tagged = std::exchange(states_[id].tagged, is_vlan(protocol));
    if (event.vlan_protocol != 0) {
        target.headers["vlan.id"] = std::to_string(event.vlan_tag & 0xfffU);
    } else if (!tag.empty()) {
        target.headers.insert(std::move(tag));
    }
    // The first copy of a packet in pages may reach further than the one without the tag.
    if (tagged && !before.empty() && !target.headers.contains(payload)) {
        before.erase("ethertype");
        target.headers.merge(before);
        if (target.headers.contains(payload)) return;
    }
    target.summary = std::move(decoded.summary);
}

void KnownPackets::add_edge(PacketId id, PacketId other, const char* kind,
                            const std::string& function, chain::Address skb) {
    if (!contains(id)) return;
    auto& edges = at(id).edges;
    const bool known = std::any_of(edges.begin(), edges.end(), [&](const auto& edge) {
        return edge.packet == other && edge.kind == kind && edge.skb == skb;
    });
    if (known) return;
    edges.push_back({kind, other, function, skb});
    if (other != id) at(id).identified_by = kind;
}

chain::Packet KnownPackets::take(PacketId id) {
    auto taken = std::move(packets_.extract(id).mapped());
    for (const auto& edge : taken.edges) {
        if (is_union(edge)) continue;
        const auto other = looks_of(edge.packet);
        if (!other) continue;
        // It has other headers perhaps, and carries what it carried.
        const auto carried = other->headers.find(payload);
        if (edge.kind == "expand_head" && carried != other->headers.end()) {
            if (!taken.headers.empty()) taken.headers.insert(*carried);
        }
        if (taken.headers.empty()) taken.headers = other->headers;
        if (taken.summary.empty()) taken.summary = other->summary;
    }
    const bool carries =
        taken.headers.contains("udp.source") || taken.headers.contains("tcp.source");
    if (carries && states_[id].paged && !taken.headers.contains(payload)) {
        taken.headers["unread"] = payload;
    }
    states_.erase(id);
    remember(taken);
    return taken;
}

std::optional<KnownPackets::Looks> KnownPackets::looks_of(PacketId id) const {
    if (const auto found = packets_.find(id); found != packets_.end()) {
        return Looks{found->second.headers, found->second.summary};
    }
    if (const auto found = remembered_.find(id); found != remembered_.end()) {
        return found->second;
    }
    return std::nullopt;
}

void KnownPackets::remember(const chain::Packet& gone) {
    remembered_.emplace(gone.id, Looks{gone.headers, gone.summary});
    if (remembered_.size() > remembered_headers) remembered_.erase(remembered_.begin());
}

}  // namespace skbtrail::tracer
