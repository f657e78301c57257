#include "tracer/chain_writer.h"

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include <arpa/inet.h>
#include <fmt/format.h>

#include "tracer/policy.h"

namespace skbtrail::tracer {

namespace {

/// Offsets that say "not set": the kernel's mark, and 0, which a cleared sk_buff has.
constexpr std::uint16_t header_unset = 0xffff;

std::optional<std::uint16_t> header_offset(std::uint16_t offset, bool zero_is_unset) {
    if (offset == header_unset || (zero_is_unset && offset == 0)) return std::nullopt;
    return offset;
}

/// CHECKSUM_… of include/linux/skbuff.h, by number.
constexpr std::array<std::string_view, 4> checksum_states{"none", "unnecessary", "complete",
                                                          "partial"};

/// SKB_GSO_… of include/linux/skbuff.h, by bit.
constexpr std::array<std::string_view, 20> gso_types{
    "tcpv4",    "dodgy",          "tcp_ecn", "tcp_fixedid", "tcpv6",      "fcoe",
    "gre",      "gre_csum",       "ipxip4",  "ipxip6",      "udp_tunnel", "udp_tunnel_csum",
    "partial",  "tunnel_remcsum", "sctp",    "esp",         "udp",        "udp_l4",
    "fraglist", "tcp_accecn"};

std::string gso_type_words(std::uint32_t bits) {
    std::string words;
    for (unsigned bit = 0; bit < 32; ++bit) {
        if ((bits >> bit & 1U) == 0) continue;
        if (!words.empty()) words += ' ';
        words += bit < gso_types.size() ? std::string(gso_types[bit]) : fmt::format("bit{}", bit);
    }
    return words;
}

chain::SkbGeometry geometry_of(const skbtrail_event& event, chain::PacketId packet,
                               std::uint32_t roles) {
    chain::SkbGeometry geometry;
    geometry.argument = event.argument;
    geometry.address = event.skb;
    if (packet != no_packet) geometry.packet = packet;
    if ((event.flags & SKBTRAIL_EVENT_UNSET) != 0) {
        geometry.head = packet == no_packet ? 0 : event.extra;
        return geometry;
    }
    if (packet == no_packet) return geometry;  // its fields are not an sk_buff's
    geometry.head = event.head;
    geometry.data = static_cast<std::int64_t>(event.data - event.head);
    geometry.tail = event.tail;
    geometry.end = event.end;
    geometry.len = event.len;
    geometry.data_len = event.data_len;
    geometry.protocol = ntohs(event.protocol);
    geometry.mac_header = header_offset(event.mac_header, false);
    geometry.network_header = header_offset(event.network_header, true);
    geometry.transport_header = header_offset(event.transport_header, false);
    geometry.users = event.users;
    geometry.cloned = (event.flags & SKBTRAIL_EVENT_CLONED) != 0;
    // While a UDP socket holds it, the device pointer is scratch space.
    constexpr std::uint32_t largest_ifindex = 1U << 24U;
    geometry.device = event.ifindex < largest_ifindex ? event.ifindex : 0;
    geometry.netns = event.netns;
    geometry.sock = event.sock;
    geometry.queue = event.queue;
    if (event.vlan_protocol != 0) geometry.vlan = event.vlan_tag;
    geometry.mark = event.mark;
    geometry.hash = event.hash;
    geometry.timestamp = static_cast<chain::Nanoseconds>(event.tstamp);
    geometry.ip_summed = checksum_states[event.ip_summed & 3U];
    // Who gives the struct itself back has given the buffer back before: its end is another's.
    if ((event.flags & SKBTRAIL_EVENT_SHARED) != 0 && (roles & role::frees) == 0) {
        geometry.frags = event.frags;
        if (event.gso_size != 0) {
            geometry.gso_size = event.gso_size;
            geometry.gso_segs = event.gso_segs;
            geometry.gso_type = gso_type_words(event.gso_type);
        }
    }
    return geometry;
}

std::string describe_incomplete(std::uint8_t flags) {
    std::string text;
    const auto say = [&](std::uint8_t flag, std::string_view words) {
        if ((flags & flag) == 0) return;
        if (!text.empty()) text += "; ";
        text += words;
    };
    say(incomplete::lost, "its CPU's trace buffer overran while it ran");
    say(incomplete::deep, "calls below it were too deep for ftrace");
    say(incomplete::ended, "the recording ended before it returned");
    say(incomplete::no_return, "its return was not seen");
    say(incomplete::gap, "a call between it and one below is missing");
    say(incomplete::limit, "the collector's memory limit was reached");
    return text;
}

chain::Context context_of(std::uint8_t flags) {
    if ((flags & (flag_hardirq | flag_nmi)) != 0) return chain::Context::hardirq;
    return (flags & flag_softirq) != 0 ? chain::Context::softirq : chain::Context::task;
}

/// The first call of the tree that `id` is in.
NodeId top_of(const Forest& forest, NodeId id) {
    while (!forest.nodes[id].cut && forest.nodes[id].parent != no_node) {
        id = forest.nodes[id].parent;
    }
    return id;
}

}  // namespace

chain::Call ChainWriter::call_of(NodeId id, unsigned chain_cpu) const {
    const auto& node = forest_.nodes[id];
    chain::Call call;
    if (node.function == no_function) {
        call.function = "(unknown)";
    } else {
        call.function = functions_[node.function].name;
        call.module = functions_[node.function].module;
    }
    call.start = static_cast<chain::Nanoseconds>(node.start);
    if (node.end != 0) {
        call.duration = static_cast<chain::Nanoseconds>(node.end - node.start);
    }
    call.interrupted = static_cast<chain::Nanoseconds>(node.interrupted);
    if (node.cpu != chain_cpu) call.cpu = node.cpu;
    call.incomplete = describe_incomplete(node.incomplete);
    add_skbs(node, call);
    for (auto child = node.first_child; child != no_node; child = forest_.nodes[child].next) {
        call.calls.push_back(call_of(child, chain_cpu));
    }
    return call;
}

bool ChainWriter::may_carry_packet(NodeId id) const {
    const auto& node = forest_.nodes[id];
    if (node.unseen) return true;
    if (node.group != no_group) {
        const auto& group = matches_.at(node.cpu).groups[node.group];
        const auto& ids = packets_.at(node.cpu);
        for (auto i = group.first; i < group.first + group.count; ++i) {
            if (ids[i] != no_packet) return true;
        }
    }
    for (auto child = node.first_child; child != no_node; child = forest_.nodes[child].next) {
        if (may_carry_packet(child)) return true;
    }
    return false;
}

void ChainWriter::add_skbs(const Node& node, chain::Call& call) const {
    if (node.group == no_group) return;
    const auto& match = matches_.at(node.cpu);
    const auto& ids = packets_.at(node.cpu);
    const auto& group = match.groups[node.group];
    const auto roles = node.function == no_function ? 0 : functions_[node.function].roles;
    const auto value = static_cast<std::uint32_t>(match.events[group.first].extra);
    if ((roles & role::poll) != 0 && value != 0) call.napi = value;
    if ((roles & role::has_budget) != 0) call.budget = value;
    if ((roles & role::has_work) != 0) call.work = value;
    for (auto i = group.first; i < group.first + group.count; ++i) {
        if (match.events[i].skb != 0) {
            call.skbs.push_back(geometry_of(match.events[i], ids[i], roles));
        }
    }
}

std::vector<chain::Chain> ChainWriter::chains_of(const std::vector<NodeId>& tops,
                                                 const NameOf& name_of) const {
    std::vector<chain::Chain> chains;
    std::map<NodeId, chain::ChainId> chain_of_top;
    for (const auto top : tops) {
        const auto& node = forest_.nodes[top];
        const bool root =
            node.function != no_function && (functions_[node.function].roles & role::root) != 0;
        const auto outer =
            node.cut ? chain_of_top.find(top_of(forest_, node.parent)) : chain_of_top.end();
        const bool nested = outer != chain_of_top.end();
        const auto context = context_of(node.flags);
        const bool interrupt = interrupts_ && context == chain::Context::hardirq;
        if (!root && !nested && !interrupt && !may_carry_packet(top)) continue;
        chain::Chain chain;
        chain.id = static_cast<chain::ChainId>(chains.size() + 1);
        chain.cpu = node.cpu;
        chain.context = context;
        chain.pid = node.pid;
        chain.comm = node.pid == 0 ? fmt::format("swapper/{}", node.cpu) : name_of(node.pid);
        if (nested) {
            const auto function = forest_.nodes[node.parent].function;
            chain.nested_in = chain::NestedIn{
                outer->second, function == no_function ? "(unknown)" : functions_[function].name};
        }
        chain.root = call_of(top, node.cpu);
        chain_of_top.emplace(top, chain.id);
        chains.push_back(std::move(chain));
    }
    return chains;
}

}  // namespace skbtrail::tracer
