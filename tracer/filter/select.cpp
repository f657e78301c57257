#include "tracer/filter/select.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include <arpa/inet.h>
#include <net/ethernet.h>

namespace skbtrail::tracer {

namespace {

/// A call in an interrupt is nobody's doing: the process that it interrupted only lends its name.
bool is_own_work(const CpuCapture& cpu, std::uint32_t record) {
    return record != no_group &&
           (cpu.records[record].flags & (flag_hardirq | flag_softirq | flag_nmi)) == 0;
}

/// Spreads what is wanted along the edges.
void follow_edges(const std::vector<chain::Packet>& packets, std::vector<bool>& wanted) {
    for (bool changed = true; changed;) {
        changed = false;
        for (const auto& packet : packets) {
            for (const auto& edge : packet.edges) {
                if (edge.packet == 0 || edge.packet > packets.size()) continue;
                const bool away = leads_away(edge);
                const auto from = away ? packet.id : edge.packet;
                const auto to = away ? edge.packet : packet.id;
                if (!wanted[from - 1] || wanted[to - 1]) continue;
                wanted[to - 1] = true;
                changed = true;
            }
        }
    }
}

}  // namespace

void FieldJudge::look(const skbtrail_event& event, std::span<const std::uint8_t> bytes,
                      Found& found) const {
    if ((event.flags & SKBTRAIL_EVENT_UNSET) != 0) return;
    found.interface = found.interface || event.ifindex == filter_.ifindex;
    found.netns = found.netns || event.netns == filter_.netns;
    if (found.expression || (event.flags & SKBTRAIL_EVENT_BYTES) == 0) return;
    if (!filter_.expression) return;
    const auto length =
        static_cast<std::uint32_t>(event.data - event.head) + event.len - event.network_header;
    const auto protocol = ntohs(event.protocol);
    if (protocol == ETHERTYPE_IP || protocol == ETHERTYPE_IPV6) {
        found.expression =
            filter_.expression->packet && accepts(*filter_.expression->packet, bytes, length);
        return;
    }
    // Of the link header nothing is known but the protocol: enough for ARP.
    std::vector<std::uint8_t> frame(ETHER_HDR_LEN, 0);
    frame[ETHER_HDR_LEN - 2] = static_cast<std::uint8_t>(protocol >> 8U);
    frame[ETHER_HDR_LEN - 1] = static_cast<std::uint8_t>(protocol & 0xffU);
    frame.insert(frame.end(), bytes.begin(), bytes.end());
    found.expression = accepts(filter_.expression->frame, frame, length + ETHER_HDR_LEN);
}

bool FieldJudge::wants(const Found& found) const {
    return (!filter_.expression || found.expression) && (filter_.ifindex == 0 || found.interface) &&
           (filter_.netns == 0 || found.netns);
}

bool leads_away(const chain::PacketEdge& edge) {
    return edge.kind == "gro_merge" || edge.kind == "coalesce" || edge.kind == "reassemble";
}

Pruner::Pruner(std::function<chain::PacketId(chain::PacketId)> number,
               const FunctionTable& functions)
    : number_(std::move(number)) {
    for (FunctionId id = 0; id < functions.size(); ++id) {
        if (functions[id].probed && functions[id].takes_skb) takes_.insert(functions[id].name);
    }
}

bool Pruner::prune(chain::Call& call) const {
    for (auto& skb : call.skbs) skb.packet = skb.packet ? number_(*skb.packet) : no_packet;
    std::erase_if(call.skbs, [](const auto& skb) { return skb.packet == no_packet; });
    bool wanted = !call.skbs.empty();
    std::vector<chain::Call> left;
    left.reserve(call.calls.size());
    for (auto& inner : call.calls) {
        const bool below = prune(inner);
        wanted = wanted || below;
        if (below || !takes_.contains(inner.function)) left.push_back(std::move(inner));
    }
    call.calls = std::move(left);
    return wanted;
}

void Pruner::prune(chain::Packet& packet) const {
    packet.id = number_(packet.id);
    for (auto& edge : packet.edges) edge.packet = number_(edge.packet);
    std::erase_if(packet.edges, [](const auto& edge) { return edge.packet == no_packet; });
    const auto renumber = [this](chain::Fate& fate) {
        if (fate.into) fate.into = number_(*fate.into);
        if (fate.into == no_packet) fate.into.reset();
    };
    renumber(packet.fate);
    for (auto& fate : packet.fates) renumber(fate);
}

std::vector<bool> wanted_packets(const Capture& capture,
                                 const std::map<unsigned, CpuMatch>& matches,
                                 const Packets& packets, const PacketFilter& filter, bool marked) {
    std::vector<bool> wanted(packets.packets.size(), false);
    std::vector<Found> found(packets.packets.size());
    const FieldJudge judge(filter);
    for (const auto& [cpu, match] : matches) {
        const auto& ids = packets.of_event.at(cpu);
        const auto& records = capture.cpus().at(cpu);
        for (std::size_t group = 0; group < match.groups.size(); ++group) {
            const auto& one = match.groups[group];
            for (auto i = one.first; i < one.first + one.count; ++i) {
                if (ids[i] == no_packet) continue;
                const auto& event = match.events[i];
                const auto packet = ids[i] - 1;
                if (!marked) {
                    judge.look(event, capture.bytes_of(event), found[packet]);
                } else if ((event.flags & SKBTRAIL_EVENT_WANTED) != 0 &&
                           (filter.process == 0 ||
                            is_own_work(records, match.record_of_group[group]))) {
                    wanted[packet] = true;
                }
            }
        }
    }
    std::size_t left = filter.packets == 0 ? wanted.size() : filter.packets;
    for (std::size_t packet = 0; packet < wanted.size(); ++packet) {
        if (!marked) wanted[packet] = judge.wants(found[packet]);
        if (!wanted[packet]) continue;
        if (left == 0) wanted[packet] = false;
        if (left > 0) --left;
    }
    follow_edges(packets.packets, wanted);
    return wanted;
}

void keep_wanted(const std::vector<bool>& wanted, const FunctionTable& functions,
                 std::vector<chain::Packet>& packets, std::vector<chain::Chain>& chains) {
    std::vector<chain::PacketId> numbers(packets.size(), no_packet);
    chain::PacketId next = 1;
    for (std::size_t i = 0; i < packets.size(); ++i) {
        if (wanted[i]) numbers[i] = next++;
    }
    const Pruner pruner([&numbers](chain::PacketId id) { return numbers[id - 1]; }, functions);
    for (auto& packet : packets) pruner.prune(packet);
    std::erase_if(packets, [](const auto& packet) { return packet.id == no_packet; });

    keep_chains(pruner, chains);
}

void keep_chains(const Pruner& pruner, std::vector<chain::Chain>& chains) {
    std::unordered_map<chain::ChainId, chain::ChainId> ids;
    std::vector<chain::Chain> left;
    for (auto& chain : chains) {
        if (!pruner.prune(chain.root)) continue;
        ids.emplace(chain.id, static_cast<chain::ChainId>(ids.size() + 1));
        chain.id = ids.at(chain.id);
        left.push_back(std::move(chain));
    }
    chains = std::move(left);
    for (auto& chain : chains) {
        if (!chain.nested_in) continue;
        const auto outer = ids.find(chain.nested_in->chain);
        if (outer == ids.end()) {
            chain.nested_in.reset();
        } else {
            chain.nested_in->chain = outer->second;
        }
    }
}

}  // namespace skbtrail::tracer
