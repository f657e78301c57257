#include "labs/check/absence.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "labs/check/packet_selection.h"
#include "tracer/chain/packet_words.h"
#include "tracer/chain/suggest.h"

namespace skbtrail::labs {
namespace {

bool is_root(const Evidence& evidence, const ExpectedChain& expected, const Tree& tree) {
    const NameId root = tree.node(0).name;
    return std::any_of(expected.roots.begin(), expected.roots.end(),
                       [&](const std::string& name) { return evidence.names.id(name) == root; });
}

/// "its fate is unknown, it has no vlan.id".
std::string differences_text(const NearPacket& near) {
    std::vector<std::string> parts;
    for (const auto& [word, values] : near.other) {
        parts.push_back(values.empty()
                            ? fmt::format("it has no {}", word)
                            : fmt::format("its {} is {}", word, fmt::join(values, " and ")));
    }
    return fmt::format("{}", fmt::join(parts, ", "));
}

/// A header that no packet has is probably misspelt, else the exercise sent something else.
std::string no_packet_reason(const chain::Recording& recording, const PacketSelector& selector,
                             const std::optional<NearPacket>& near) {
    std::set<std::string_view> known(packet_words.begin(), packet_words.end());
    known.insert(chain::header_words.begin(), chain::header_words.end());
    for (const chain::Packet& packet : recording.packets) {
        for (const auto& [header, value] : packet.headers) known.insert(header);
    }
    const std::vector<std::string_view> names(known.begin(), known.end());
    for (const auto& [header, values] : selector.headers) {
        if (!known.contains(header)) {
            return fmt::format("no recorded packet has a header \"{}\"{}", header,
                               chain::did_you_mean(header, names));
        }
    }
    if (near && near->other.size() == 1) {
        return fmt::format("packet #{} agrees in all but {}: {}", near->packet,
                           near->other.begin()->first, differences_text(*near));
    }
    return fmt::format(
        "no such packet was sent or received, or it was seen by no function that takes an "
        "sk_buff{}",
        near ? fmt::format("; #{} comes nearest: {}", near->packet, differences_text(*near)) : "");
}

/// The chains of the recording that come near: from another root with that packet, or from that
/// root without it.
struct Near {
    std::set<std::string> other_roots;
    std::set<unsigned> other_cpus;  ///< where the chain was looked for, but for its processor
    std::size_t same_root = 0;
};

Near look_around(const Evidence& evidence, const ExpectedChain& expected,
                 const std::set<PacketClass>& selected) {
    Near near;
    for (const Tree& tree : evidence.forest.trees()) {
        const bool handles = std::any_of(selected.begin(), selected.end(), [&](PacketClass packet) {
            return tree.packets().contains(packet);
        });
        if (is_root(evidence, expected, tree)) {
            ++near.same_root;
            if (handles || !expected.packet) near.other_cpus.insert(tree.chain().cpu);
            continue;
        }
        if (handles) near.other_roots.insert(tree.chain().root.function);
    }
    return near;
}

/// Why none of the roots can be seen; nothing when one can.
std::string why_roots_invisible(const Evidence& evidence, const ExpectedChain& expected) {
    std::string reason;
    for (const std::string& root : expected.roots) {
        const auto why = evidence.visibility.why_invisible(evidence.names.id(root));
        if (!why) return {};
        if (reason.empty()) reason = *why;
    }
    return reason;
}

}  // namespace

Divergence describe_no_packet(const Evidence& evidence, const ExpectedChain& expected) {
    const PacketSelector selector = expected.packet.value_or(PacketSelector{});
    Divergence divergence;
    divergence.expected = headers_text(selector);
    divergence.came = fmt::format("none among {} packets", evidence.recording.packets.size());
    divergence.cause = Cause::no_packet;
    const auto near = nearest_packet(evidence.recording, selector);
    divergence.explanation = no_packet_reason(evidence.recording, selector, near);
    divergence.next = near && near->other.size() == 1
                          ? fmt::format(
                                "if it is the one that is meant, correct \"packet\"; look at it: "
                                "skbtrail show RECORDING --packet {}",
                                near->packet)
                          : "list what was recorded: skbtrail show RECORDING";
    divergence.place = expected.place;
    return divergence;
}

Divergence describe_no_chain(const Evidence& evidence, const ExpectedChain& expected,
                             const std::set<PacketClass>& selected, std::size_t matched) {
    const std::string roots = fmt::format("{}", fmt::join(expected.roots, " or "));
    const Near near = look_around(evidence, expected, selected);
    Divergence divergence;
    divergence.expected =
        fmt::format("a chain from {}{}{}", roots, expected.packet ? " that handles the packet" : "",
                    expected.cpu ? fmt::format(" on cpu{}", *expected.cpu) : "");
    divergence.came =
        matched == 0 ? "none" : fmt::format("{}, fewer than {}", matched, expected.count.min);
    divergence.cause = Cause::no_chain;
    divergence.next = "list what was recorded: skbtrail show RECORDING";
    divergence.place = expected.place;
    if (matched > 0) {
        divergence.explanation = "the exercise made it happen less often than expected";
    } else if (expected.cpu && !near.other_cpus.empty()) {
        divergence.explanation = fmt::format(
            "it came on cpu{} only: look which queue the NIC chose, and which processor serves "
            "that queue's interrupt",
            fmt::join(near.other_cpus, ", cpu"));
    } else if (!near.other_roots.empty()) {
        divergence.explanation = fmt::format("the packet was handled in chains from {} only",
                                             fmt::join(near.other_roots, ", "));
    } else if (near.same_root > 0) {
        divergence.explanation =
            fmt::format("{} chain{} from {} came, but none was given such a packet", near.same_root,
                        near.same_root == 1 ? "" : "s", roots);
    } else if (std::string why = why_roots_invisible(evidence, expected); !why.empty()) {
        divergence.cause = Cause::cannot_be_seen;
        divergence.explanation = why;
    } else {
        divergence.explanation = fmt::format("nothing called {} while the recording ran", roots);
    }
    return divergence;
}

}  // namespace skbtrail::labs
