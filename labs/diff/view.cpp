#include "labs/diff/view.h"

#include <algorithm>
#include <functional>
#include <string_view>
#include <utility>

#include "tracer/chain/glob.h"

namespace skbtrail::labs::diff {
namespace {

std::uint64_t mixed(std::uint64_t seed, std::uint64_t value) {
    // boost::hash_combine's constants, for 64 bits.
    return seed ^ (value + 0x9e3779b97f4a7c15ULL + (seed << 12U) + (seed >> 4U));
}

/// "6.12.95" of "6.12.95-00012-g1234abcd-dirty".
std::string_view version_of(std::string_view release) {
    return release.substr(0, std::min(release.find_first_not_of("0123456789."), release.size()));
}

/// Whether skbtrail booted it, and it is no distribution's.
bool is_own_build(const chain::Observed& observed) {
    return observed.host.contains("lab") && !observed.host.contains("kernel_package");
}

bool are_variants(const chain::Observed& a, const chain::Observed& b) {
    return a.kernel_release == b.kernel_release ||
           (is_own_build(a) && is_own_build(b) &&
            version_of(a.kernel_release) == version_of(b.kernel_release));
}

}  // namespace

Views::Views(const chain::Recording& recording, NameTable& names, RuleBook& rules,
             const Focus& focus)
    : recording_(recording),
      names_(names),
      rules_(rules),
      focus_(focus),
      classes_(packet_classes(recording)) {
    for (const std::string& function : recording.observed.traced) {
        traced_.insert(names.id(function));
    }
    for (const chain::Unavailable& function : recording.observed.unavailable) {
        unavailable_.insert(names.id(function.function));
    }
    // A packet without headers is none of the network's: a netlink message, a file descriptor on
    // its way through a local socket.
    for (const chain::Packet& packet : recording.packets) {
        if (!packet.headers.empty()) network_.insert(classes_.at(packet.id));
    }
    for (const chain::Packet& packet : recording.packets) {
        const PacketClass its = classes_.at(packet.id);
        if (!network_.contains(its)) continue;
        members_[its].push_back(&packet);
        auto& representative = by_id_[its];
        if (representative == nullptr || representative->headers.empty()) representative = &packet;
    }
    std::vector<NameId> callers;
    for (const chain::Chain& chain : recording.chains) {
        pieces_.emplace_back().chain = &chain;
        const std::size_t first = pieces_.size() - 1;
        add(chain.root, chain, first, callers, false);
        const bool taken =
            std::any_of(pieces_.begin() + static_cast<std::ptrdiff_t>(first), pieces_.end(),
                        [](const Piece& piece) { return !piece.takers.empty(); });
        if (!taken) without_packet_.emplace(chain.id, first);
    }
    for (std::size_t i = 0; i < pieces_.size(); ++i) {
        for (const auto& [packet, nodes] : pieces_[i].takers) pieces_of_[packet].push_back(i);
    }
    for (const auto& [id, packet] : by_id_) packets_.push_back(id);
    std::stable_sort(packets_.begin(), packets_.end(), [&](PacketClass a, PacketClass b) {
        return by_id_.at(a)->first_seen < by_id_.at(b)->first_seen;
    });
    for (auto& [packet, pieces] : pieces_of_) {
        std::stable_sort(pieces.begin(), pieces.end(), [&](std::size_t a, std::size_t b) {
            return pieces_[a].nodes.front().call->start < pieces_[b].nodes.front().call->start;
        });
    }
}

bool Views::would_show(const ViewCall& call, const Views& other) const {
    if (visible(call.name)) return true;
    const std::string& build = recording_.observed.kernel_build_id;
    return !call.call->module.empty() && !unavailable_.contains(call.name) && !build.empty() &&
           build == other.recording_.observed.kernel_build_id;
}

bool Views::probably_lacks(const ViewCall& call, const Views& other) const {
    return !visible(call.name) && !unavailable_.contains(call.name) &&
           are_variants(recording_.observed, other.recording_.observed);
}

std::optional<PacketClass> Views::network_packet(const chain::SkbGeometry& skb) const {
    const auto found = skb.packet ? classes_.find(*skb.packet) : classes_.end();
    if (found == classes_.end() || !network_.contains(found->second)) return std::nullopt;
    return found->second;
}

bool Views::handles_any(const chain::Call& call) const {
    return std::any_of(call.skbs.begin(), call.skbs.end(),
                       [&](const auto& skb) { return network_packet(skb).has_value(); }) ||
           std::any_of(call.calls.begin(), call.calls.end(),
                       [&](const auto& below) { return handles_any(below); });
}

bool Views::ignored(NameId name) const {
    return (!focus_.noise && names_.is_noise(name)) ||
           std::any_of(focus_.ignore.begin(), focus_.ignore.end(), [&](const std::string& glob) {
               return chain::glob_matches(glob, names_.text(name));
           });
}

bool Views::stands_apart(NameId name, std::span<const NameId> callers) {
    const auto rule = rules_.find(Effect::apart, name, callers);
    if (!rule) return false;
    // What such a call does with the help of another one of the same rule stays together.
    return rules_.find(Effect::apart, callers.back(), callers.first(callers.size() - 1)) != rule;
}

void Views::add(const chain::Call& call, const chain::Chain& chain, std::size_t piece,
                std::vector<NameId>& callers, bool incomplete) {
    const NameId name = names_.id(call.function);
    if (ignored(name)) return;
    incomplete = incomplete || !call.incomplete.empty();
    const bool root = pieces_[piece].nodes.empty();
    if (!root && stands_apart(name, callers) && handles_any(call)) {
        piece = pieces_.size();
        pieces_.emplace_back().chain = &chain;
    }
    const std::size_t self = pieces_[piece].nodes.size();
    pieces_[piece].nodes.push_back({&call, name, 0, pieces_[piece].taken, incomplete});
    bool takes = false;
    for (const chain::SkbGeometry& skb : call.skbs) {
        const auto packet = network_packet(skb);
        if (!packet) continue;
        takes = true;
        auto& places = pieces_[piece].takers[*packet];
        if (places.empty() || places.back() != self) places.push_back(self);
    }
    pieces_[piece].taken += takes ? 1 : 0;
    callers.push_back(name);
    for (const chain::Call& below : call.calls) add(below, chain, piece, callers, incomplete);
    callers.pop_back();
    pieces_[piece].nodes[self].end = pieces_[piece].nodes.size();
}

std::optional<chain::Nanoseconds> Views::beginning(PacketClass packet) const {
    std::optional<chain::Nanoseconds> first;
    for (const std::size_t index : pieces_of_.at(packet)) {
        const Piece& piece = pieces_[index];
        for (const std::size_t node : piece.takers.at(packet)) {
            const Node& its = piece.nodes[node];
            if (chain::glob_matches(focus_.from, names_.text(its.name)) &&
                (!first || its.call->start < *first)) {
                first = its.call->start;
            }
        }
    }
    return first;
}

bool Views::build(const Piece& piece, std::size_t node, std::span<const std::size_t> takers,
                  const std::optional<chain::Nanoseconds>& since, ViewCall& out) const {
    const Node& its = piece.nodes[node];
    out.name = its.name;
    out.call = its.call;
    out.chain = piece.chain;
    out.incomplete = its.incomplete;
    out.takes = std::binary_search(takers.begin(), takers.end(), node);
    out.shape = mixed(its.name, out.takes ? 1 : 0);
    const auto taken_before = [&](std::size_t index) {
        return index < piece.nodes.size() ? piece.nodes[index].takers : piece.taken;
    };
    for (std::size_t below = node + 1; below < its.end; below = piece.nodes[below].end) {
        const std::size_t end = piece.nodes[below].end;
        // Another packet's, unless it is this one's too.
        if (taken_before(end) != taken_before(below)) {
            const auto taker = std::lower_bound(takers.begin(), takers.end(), below);
            if (taker == takers.end() || *taker >= end) continue;
        }
        ViewCall child;
        if (!build(piece, below, takers, since, child)) continue;
        out.shape = mixed(out.shape, child.shape);
        out.size += child.size;
        out.calls.push_back(std::move(child));
    }
    out.shape = mixed(out.shape, 0x2f);
    return !since || its.call->start >= *since || !out.calls.empty();
}

void Views::add_tree(ViewCall tree, std::vector<ViewCall>& trees) const {
    if (focus_.below.empty()) {
        trees.push_back(std::move(tree));
    } else {
        narrow(tree, trees);
    }
}

void Views::narrow(ViewCall& tree, std::vector<ViewCall>& out) const {
    if (chain::glob_matches(focus_.below, names_.text(tree.name))) {
        out.push_back(std::move(tree));
        return;
    }
    for (ViewCall& below : tree.calls) narrow(below, out);
}

std::vector<ViewCall> Views::of(PacketClass packet) const {
    std::vector<ViewCall> trees;
    const auto pieces = pieces_of_.find(packet);
    if (pieces == pieces_of_.end()) return trees;
    std::optional<chain::Nanoseconds> since;
    if (!focus_.from.empty()) {
        since = beginning(packet);
        if (!since) return trees;
    }
    for (const std::size_t index : pieces->second) {
        ViewCall tree;
        const Piece& piece = pieces_[index];
        if (build(piece, 0, piece.takers.at(packet), since, tree)) add_tree(std::move(tree), trees);
    }
    return trees;
}

std::vector<ViewCall> Views::of_chain(chain::ChainId chain) const {
    std::vector<ViewCall> trees;
    const Piece& piece = pieces_[without_packet_.at(chain)];
    ViewCall tree;
    if (!piece.nodes.empty() && build(piece, 0, {}, {}, tree)) add_tree(std::move(tree), trees);
    return trees;
}

}  // namespace skbtrail::labs::diff
