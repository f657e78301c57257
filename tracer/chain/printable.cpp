#include "tracer/chain/printable.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tracer/chain/text.h"

namespace skbtrail::chain {
namespace {

/// Most texts are names, and a million of them are looked at.
bool is_plain(const std::string& text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

void clean(std::string& text) {
    if (!is_plain(text)) text = printable(text);
}

void clean(std::vector<std::string>& texts) {
    for (auto& text : texts) clean(text);
}

void clean(std::map<std::string, std::string>& texts) {
    std::map<std::string, std::string> cleaned;
    for (auto& [key, value] : texts) {
        clean(value);
        cleaned.emplace(is_plain(key) ? key : printable(key), std::move(value));
    }
    texts = std::move(cleaned);
}

void clean(Call& call) {
    clean(call.function);
    clean(call.module);
    clean(call.inlined);
    clean(call.incomplete);
    for (auto& skb : call.skbs) {
        clean(skb.ip_summed);
        clean(skb.gso_type);
    }
    for (auto& below : call.calls) clean(below);
}

void clean(Fate& fate) {
    clean(fate.kind);
    clean(fate.function);
    clean(fate.reason);
    clean(fate.comm);
}

void clean(Packet& packet) {
    clean(packet.identified_by);
    clean(packet.summary);
    clean(packet.headers);
    for (auto& edge : packet.edges) {
        clean(edge.kind);
        clean(edge.function);
    }
    clean(packet.fate);
    for (auto& fate : packet.fates) clean(fate);
}

void clean(Observed& observed) {
    for (auto* text : {&observed.kernel_release, &observed.kernel_build_id, &observed.machine,
                       &observed.collector_version, &observed.clock, &observed.tree_method,
                       &observed.identity_method}) {
        clean(*text);
    }
    clean(observed.command);
    clean(observed.calibration);
    for (auto& interface : observed.interfaces) {
        clean(interface.name);
        clean(interface.mac);
        clean(interface.driver);
        clean(interface.features);
    }
    clean(observed.traced);
    clean(observed.probed);
    for (auto& unavailable : observed.unavailable) {
        clean(unavailable.function);
        clean(unavailable.reason);
    }
    clean(observed.config);
    clean(observed.host);
}

}  // namespace

void make_printable(Recording& recording) {
    clean(recording.observed);
    for (auto& loss : recording.losses) {
        clean(loss.kind);
        clean(loss.detail);
        clean(loss.function);
    }
    for (auto& packet : recording.packets) clean(packet);
    for (auto& chain : recording.chains) {
        clean(chain.comm);
        if (chain.nested_in) clean(chain.nested_in->function);
        clean(chain.root);
    }
    for (auto& event : recording.ring_events) {
        clean(event.event);
        clean(event.reason);
    }
}

}  // namespace skbtrail::chain
