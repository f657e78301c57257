#include "tracer/stream/text.h"

#include <iterator>

#include <fmt/format.h>

#include "tracer/chain/recording_json.h"
#include "tracer/chain/text.h"

namespace skbtrail::tracer {

namespace {

std::string duration(chain::Nanoseconds time) {
    return fmt::format("{}.{:03} us", time / 1000, time % 1000);
}

std::string clock_time(chain::Nanoseconds time) {
    return fmt::format("{}.{:06}", time / 1'000'000'000, time / 1000 % 1'000'000);
}

void add_call(const chain::Call& call, std::size_t depth, std::string& text) {
    const auto out = std::back_inserter(text);
    fmt::format_to(out, "{:>14}  {:{}}{}", call.duration ? duration(*call.duration) : "?", "",
                   2 * depth, call.function);
    if (!call.module.empty()) fmt::format_to(out, " [{}]", call.module);
    chain::PacketId before = 0;
    for (const auto& skb : call.skbs) {
        if (!skb.packet || *skb.packet == before) continue;
        before = *skb.packet;
        fmt::format_to(out, " #{}", *skb.packet);
        if (skb.len > 0) fmt::format_to(out, " len {}", skb.len);
    }
    if (call.interrupted > 0) {
        fmt::format_to(out, " (interrupted for {})", duration(call.interrupted));
    }
    if (!call.incomplete.empty()) fmt::format_to(out, "  (incomplete: {})", call.incomplete);
    text += '\n';
    for (const auto& below : call.calls) add_call(below, depth + 1, text);
}

std::string text_of(const chain::Fate& fate) {
    auto text = fate.kind;
    if (!fate.reason.empty()) text += " (" + fate.reason + ")";
    if (fate.into) text += fmt::format(" into #{}", *fate.into);
    if (fate.socket != 0) text += fmt::format(" to socket {}", fate.socket);
    if (fate.pid) text += fmt::format(", read by {}[{}]", chain::printable(fate.comm), *fate.pid);
    if (!fate.function.empty()) text += fmt::format(", in {}", fate.function);
    return text;
}

}  // namespace

std::string text_of(const chain::Chain& chain) {
    auto text =
        fmt::format("{} cpu {} {} {}[{}]", clock_time(chain.root.start), chain.cpu,
                    chain::context_name(chain.context), chain::printable(chain.comm), chain.pid);
    if (chain.nested_in) text += fmt::format(" within {}", chain.nested_in->function);
    text += '\n';
    add_call(chain.root, 0, text);
    return text;
}

std::string text_of(const chain::Packet& packet) {
    auto text = fmt::format("{} #{} {}", clock_time(packet.first_seen), packet.id,
                            packet.summary.empty() ? "packet" : packet.summary);
    for (const auto& edge : packet.edges) {
        if (edge.packet == packet.id) continue;
        text += fmt::format(", {} #{}", edge.kind, edge.packet);
    }
    return text + ": " + text_of(packet.fate) + '\n';
}

std::string text_of(const std::vector<chain::Loss>& losses) {
    std::string text;
    for (const auto& loss : losses) {
        if (loss.count == 0) continue;
        text += fmt::format("lost{}: {} {} ({})\n",
                            loss.cpu ? fmt::format(" on CPU {}", *loss.cpu) : "", loss.count,
                            loss.kind, loss.detail);
    }
    return text;
}

}  // namespace skbtrail::tracer
