#include "tracer/assemble.h"

#include <algorithm>
#include <array>
#include <set>
#include <string_view>

#include <arpa/inet.h>
#include <fmt/format.h>

#include "tracer/filter/select.h"
#include "tracer/packets.h"
#include "tracer/policy.h"
#include "tracer/tree.h"

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

chain::SkbGeometry geometry_of(const skbtrail_event& event, chain::PacketId packet) {
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
    geometry.ip_summed = checksum_states[event.ip_summed & 3U];
    if ((event.flags & SKBTRAIL_EVENT_SHARED) != 0) {
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

class ChainWriter {
  public:
    ChainWriter(const Forest& forest, const FunctionTable& functions,
                const std::map<unsigned, CpuMatch>& matches, const Packets& packets)
        : forest_(forest), functions_(functions), matches_(matches), packets_(packets) {}

    [[nodiscard]] chain::Call call_of(NodeId id, unsigned chain_cpu) const {
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
        if (node.cpu != chain_cpu) call.cpu = node.cpu;
        call.incomplete = describe_incomplete(node.incomplete);
        add_skbs(node, call);
        for (auto child = node.first_child; child != no_node; child = forest_.nodes[child].next) {
            call.calls.push_back(call_of(child, chain_cpu));
        }
        return call;
    }

    /// True when a call of the tree was given a packet.
    [[nodiscard]] bool carries_packet(NodeId id) const {
        const auto& node = forest_.nodes[id];
        if (node.group != no_group) {
            const auto& group = matches_.at(node.cpu).groups[node.group];
            const auto& ids = packets_.of_event.at(node.cpu);
            for (auto i = group.first; i < group.first + group.count; ++i) {
                if (ids[i] != no_packet) return true;
            }
        }
        for (auto child = node.first_child; child != no_node; child = forest_.nodes[child].next) {
            if (carries_packet(child)) return true;
        }
        return false;
    }

  private:
    void add_skbs(const Node& node, chain::Call& call) const {
        if (node.group == no_group) return;
        const auto& match = matches_.at(node.cpu);
        const auto& ids = packets_.of_event.at(node.cpu);
        const auto& group = match.groups[node.group];
        const auto roles = node.function == no_function ? 0 : functions_[node.function].roles;
        const auto value = static_cast<std::uint32_t>(match.events[group.first].extra);
        if ((roles & role::poll) != 0 && value != 0) call.napi = value;
        if ((roles & role::has_budget) != 0) call.budget = value;
        if ((roles & role::has_work) != 0) call.work = value;
        for (auto i = group.first; i < group.first + group.count; ++i) {
            if (match.events[i].skb != 0) {
                call.skbs.push_back(geometry_of(match.events[i], ids[i]));
            }
        }
    }

    const Forest& forest_;
    const FunctionTable& functions_;
    const std::map<unsigned, CpuMatch>& matches_;
    const Packets& packets_;
};

/// The first call of the tree that `id` is in.
NodeId top_of(const Forest& forest, NodeId id) {
    while (!forest.nodes[id].cut && forest.nodes[id].parent != no_node) {
        id = forest.nodes[id].parent;
    }
    return id;
}

chain::Context context_of(std::uint8_t flags) {
    if ((flags & (flag_hardirq | flag_nmi)) != 0) return chain::Context::hardirq;
    return (flags & flag_softirq) != 0 ? chain::Context::softirq : chain::Context::task;
}

/// Threads' names as the events of roots tell them.
std::map<std::uint32_t, std::string> names_in_events(const Capture& capture) {
    std::map<std::uint32_t, std::string> names;
    for (const auto& [cpu, one] : capture.cpus()) {
        for (const auto& event : one.events) {
            if ((event.flags & SKBTRAIL_EVENT_CONTEXT) == 0 || event.tid == 0) continue;
            const auto bytes = capture.bytes_of(event);
            const auto end = std::find(bytes.begin(), bytes.end(), std::uint8_t{0});
            names[event.tid] = std::string(bytes.begin(), end);
        }
    }
    return names;
}

void add_losses(const Capture& capture, const std::map<unsigned, CpuMatch>& matches,
                const Forest& forest, const Packets& packets, std::vector<chain::Loss>& losses) {
    const auto total = [&losses](const char* kind, std::uint64_t count, const char* detail) {
        losses.push_back({kind, std::nullopt, count, detail});
    };
    for (const auto& [cpu, one] : capture.cpus()) {
        const auto add = [&losses, number = cpu](const char* kind, std::uint64_t count,
                                                 const char* detail) {
            losses.push_back({kind, number, count, detail});
        };
        const auto& match = matches.at(cpu);
        // Of some calls nothing was told since their packet is not wanted.
        add("call_without_event",
            match.calls_without_event - std::min(match.calls_without_event, one.filtered),
            "calls in the tree whose sk_buff was not seen: the probe was hidden or refused");
        add("event_without_call", match.events_without_call,
            "sk_buffs seen at a call that the tree lacks");
        add("list_truncated", one.lists_truncated,
            "lists of sk_buffs of which only the first members were recorded");
        add("page_after_loss", one.pages_after_loss,
            "pages of the trace buffer that the kernel marked as following a loss");
        add("page_damaged", one.damaged_pages, "pages of the trace buffer that could not be read");
        add("foreign_record", one.foreign_records,
            "records in the trace buffer that are no entry and no return");
        add("memory_limit_records", one.records_over_limit,
            "entries and returns not kept, the collector's memory limit being reached");
        add("memory_limit_events", one.events_over_limit,
            "sk_buffs not kept, the collector's memory limit being reached");
    }
    std::uint64_t unknown_events = 0;
    for (const auto& [cpu, match] : matches) unknown_events += match.unknown_functions;
    total("too_deep", forest.too_deep, "calls that ftrace left out, being nested too deep");
    total("return_without_entry", forest.returns_without_entry, "returns whose entry was not seen");
    total("unknown_function", forest.unknown_functions + unknown_events,
          "records and events of a function that was not asked for");
    total("event_malformed", capture.malformed_events(),
          "events of the BPF program that are too short");
    total("skb_implausible", packets.implausible,
          "arguments taken for an sk_buff whose fields cannot be one's");
}

}  // namespace

std::vector<std::uint32_t> threads_of(const Capture& capture) {
    std::set<std::uint32_t> threads;
    for (const auto& [cpu, one] : capture.cpus()) {
        for (const auto& record : one.records) threads.insert(record.pid);
    }
    return {threads.begin(), threads.end()};
}

Assembled assemble(const Capture& capture, const FunctionTable& functions, const Window& window,
                   const std::vector<std::string>& drop_reasons,
                   const std::map<std::uint32_t, std::string>& names, const Selection& selection) {
    std::map<unsigned, CpuMatch> matches;
    for (const auto& [cpu, one] : capture.cpus()) {
        matches.emplace(cpu, match_cpu(one, functions, window));
    }
    const auto forest = build_forest(capture, matches, functions, window);
    auto packets = follow_packets(capture, matches, forest, functions, drop_reasons);

    auto known_names = names;
    for (auto& [tid, name] : names_in_events(capture)) known_names[tid] = name;

    Assembled result;
    const ChainWriter writer(forest, functions, matches, packets);
    std::map<NodeId, chain::ChainId> chain_of_top;
    for (const auto top : forest.tops) {
        const auto& node = forest.nodes[top];
        const bool root =
            node.function != no_function && (functions[node.function].roles & role::root) != 0;
        const auto outer =
            node.cut ? chain_of_top.find(top_of(forest, node.parent)) : chain_of_top.end();
        const bool nested = outer != chain_of_top.end();
        if (!root && !nested && !writer.carries_packet(top)) continue;
        chain::Chain chain;
        chain.id = static_cast<chain::ChainId>(result.chains.size() + 1);
        chain.cpu = node.cpu;
        chain.context = context_of(node.flags);
        chain.pid = node.pid;
        if (const auto name = known_names.find(node.pid); name != known_names.end()) {
            chain.comm = name->second;
        }
        if (node.pid == 0) chain.comm = fmt::format("swapper/{}", node.cpu);
        if (nested) {
            const auto function = forest.nodes[node.parent].function;
            chain.nested_in = chain::NestedIn{
                outer->second, function == no_function ? "(unknown)" : functions[function].name};
        }
        chain.root = writer.call_of(top, node.cpu);
        chain_of_top.emplace(top, chain.id);
        result.chains.push_back(std::move(chain));
    }
    add_losses(capture, matches, forest, packets, result.losses);
    const auto name_reader = [&known_names](chain::Fate& fate) {
        const auto name = fate.pid ? known_names.find(*fate.pid) : known_names.end();
        if (name != known_names.end()) fate.comm = name->second;
    };
    for (auto& packet : packets.packets) {
        name_reader(packet.fate);
        for (auto& fate : packet.fates) name_reader(fate);
    }
    std::vector<bool> wanted;
    if (selection.filter.active()) {
        wanted = wanted_packets(capture, matches, packets, selection.filter, selection.marked);
    }
    result.packets = std::move(packets.packets);
    if (selection.filter.active()) {
        keep_wanted(wanted, functions, result.packets, result.chains);
    }
    return result;
}

}  // namespace skbtrail::tracer
