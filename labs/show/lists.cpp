#include <algorithm>
#include <cstddef>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "labs/show/paint.h"
#include "labs/show/show.h"
#include "tracer/chain/recording_json.h"

namespace skbtrail::labs {
namespace {

struct ChainFigures {
    std::size_t calls = 0;
    std::set<chain::PacketId> packets;
};

void count(const chain::Call& call, ChainFigures& figures) {
    ++figures.calls;
    for (const chain::SkbGeometry& skb : call.skbs) {
        if (skb.packet) figures.packets.insert(*skb.packet);
    }
    for (const chain::Call& below : call.calls) count(below, figures);
}

std::string fate_text(const chain::Fate& fate) {
    std::string text = fate.kind;
    if (fate.into) text += fmt::format(" into #{}", *fate.into);
    if (!fate.function.empty()) text += " at " + fate.function;
    if (!fate.reason.empty()) text += fmt::format(" ({})", fate.reason);
    if (fate.socket != 0) text += fmt::format(" to socket {}", fate.socket);
    if (fate.descriptor) {
        text += fmt::format(",{} queue {} descriptor {}",
                            fate.nic == 0 ? "" : fmt::format(" NIC {}", fate.nic),
                            fate.queue.value_or(0), *fate.descriptor);
    }
    if (fate.pid) text += fmt::format(", read by {}[{}]", fate.comm, *fate.pid);
    return text;
}

/// The packet's edges. Where it went on as the same packet, the place tells; a clone's fate
/// follows.
std::string edge_text(const chain::Packet& packet, const chain::PacketEdge& edge) {
    if (edge.packet != packet.id) return fmt::format("{} #{}", edge.kind, edge.packet);
    auto text = fmt::format("{} at {}", edge.kind, edge.function);
    for (const chain::Fate& fate : packet.fates) {
        if (edge.kind != "clone" || fate.skb != edge.skb || fate.kind == "unknown") continue;
        return text + ": " + fate_text(fate);
    }
    return text;
}

void fact(std::ostream& out, const ShowOptions& options, std::string_view name,
          const std::string& value) {
    if (value.empty()) return;
    constexpr std::size_t name_columns = 13;
    out << paint(padded(name, name_columns), Ink::dim, options.colour) << value << '\n';
}

}  // namespace

void show_chain_list(std::ostream& out, const chain::Recording& recording,
                     const ShowOptions& options) {
    if (recording.chains.empty()) out << "no chain was recorded\n";
    for (const chain::Chain& chain : recording.chains) {
        ChainFigures figures;
        count(chain.root, figures);
        if (options.packet && !figures.packets.contains(*options.packet)) continue;
        out << paint(fmt::format("chain {:>4}", chain.id), Ink::strong, options.colour)
            << fmt::format("  {:<24}  {:<7} cpu{}  {:<16} {:>6} call{}", chain.root.function,
                           chain::context_name(chain.context), chain.cpu,
                           fmt::format("{}[{}]", chain.comm, chain.pid), figures.calls,
                           figures.calls == 1 ? " " : "s");
        if (chain.root.duration) {
            out << "  " << padded(duration_text(*chain.root.duration), 9);
        }
        if (!figures.packets.empty()) {
            out << "  "
                << paint(fmt::format("#{}", fmt::join(figures.packets, " #")), Ink::packet,
                         options.colour);
        }
        out << '\n';
    }
}

void show_packets(std::ostream& out, const chain::Recording& recording,
                  const ShowOptions& options) {
    if (recording.packets.empty()) out << "no packet was recorded\n";
    for (const chain::Packet& packet : recording.packets) {
        if (options.packet && packet.id != *options.packet) continue;
        out << paint(padded(fmt::format("#{}", packet.id), 5), Ink::packet, options.colour)
            << (packet.summary.empty() ? "(headers not seen)" : packet.summary)
            << paint("  → ", Ink::dim, options.colour)
            << paint(fate_text(packet.fate),
                     packet.fate.kind == "dropped" ? Ink::warning : Ink::plain, options.colour);
        for (const chain::PacketEdge& edge : packet.edges) {
            if (edge.packet == packet.id) continue;
            out << paint("  " + edge_text(packet, edge), Ink::dim, options.colour);
        }
        out << '\n';
        for (const chain::PacketEdge& edge : packet.edges) {
            if (edge.packet != packet.id) continue;
            out << paint("       " + edge_text(packet, edge), Ink::dim, options.colour) << '\n';
        }
    }
}

void show_observed(std::ostream& out, const chain::Recording& recording,
                   const ShowOptions& options) {
    const chain::Observed& observed = recording.observed;
    const auto add = [&](std::string_view name, const std::string& value) {
        fact(out, options, name, value);
    };
    const auto host = observed.host.find("lab");
    if (host != observed.host.end()) add("lab", host->second);
    add("kernel", fmt::format("{} {}", observed.kernel_release, observed.machine));
    add("command", fmt::format("{}", fmt::join(observed.command, " ")));
    if (observed.exit_status && *observed.exit_status != 0) {
        add("", fmt::format("which ended with status {}", *observed.exit_status));
    }
    for (const chain::Interface& interface : observed.interfaces) {
        add("interface",
            fmt::format("{} {} mtu {}{}{}", interface.name, interface.mac, interface.mtu,
                        interface.driver.empty() ? "" : ", ", interface.driver));
        if (!interface.features.empty()) {
            const std::string features = fmt::format("{}", fmt::join(interface.features, " "));
            for (const std::string& line : wrapped(features, options.width - 13)) add("", line);
        }
    }
    add("collector", fmt::format("skbtrail-collect {}: tree by {}, packets by {}, clock {}",
                                 observed.collector_version, observed.tree_method,
                                 observed.identity_method, observed.clock));
    add("functions",
        fmt::format("{} traced, {} of them with their sk_buffs, {} not attachable",
                    observed.traced.size(), observed.probed.size(), observed.unavailable.size()));
    std::vector<std::string> others;
    for (const auto& [key, value] : observed.host) {
        if (key != "lab") others.push_back(fmt::format("{} {}", key, value));
    }
    add("host", fmt::format("{}", fmt::join(others, ", ")));
    add("recorded",
        fmt::format(
            "{} chains, {} packets, {} ring events in {}", recording.chains.size(),
            recording.packets.size(), recording.ring_events.size(),
            duration_text(std::max<chain::Nanoseconds>(0, observed.ended - observed.started))));
}

void show_losses(std::ostream& out, const std::vector<chain::Loss>& losses,
                 const ShowOptions& options) {
    const auto lossy = std::count_if(losses.begin(), losses.end(),
                                     [](const chain::Loss& loss) { return loss.count > 0; });
    if (losses.empty()) {
        out << paint("whether something was lost is not known: the recording has no loss counters",
                     Ink::warning, options.colour)
            << '\n';
        return;
    }
    if (lossy == 0) {
        out << paint(fmt::format("nothing lost: {} counter{} at 0", losses.size(),
                                 losses.size() == 1 ? "" : "s"),
                     Ink::good, options.colour)
            << '\n';
        return;
    }
    for (const chain::Loss& loss : losses) {
        if (loss.count == 0) continue;
        std::string where = loss.cpu ? fmt::format(" on cpu{}", *loss.cpu) : "";
        if (!loss.function.empty()) where += " at " + loss.function;
        const std::string what = loss.detail.empty() ? "" : fmt::format(" ({})", loss.detail);
        out << paint(fmt::format("lost: {} {}{}{}", loss.count, loss.kind, where, what), Ink::bad,
                     options.colour)
            << '\n';
    }
    if (const auto rest = static_cast<std::ptrdiff_t>(losses.size()) - lossy; rest > 0) {
        out << fmt::format("the other {} loss counter{} at 0\n", rest, rest == 1 ? " is" : "s are");
    }
}

}  // namespace skbtrail::labs
