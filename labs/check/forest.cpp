#include "labs/check/forest.h"

#include <algorithm>
#include <utility>

#include "tracer/chain/names.h"

namespace skbtrail::labs {

NameTable::NameTable(const std::map<std::string, std::vector<std::string>>& aliases,
                     NoiseFilter noise)
    : noise_(std::move(noise)) {
    for (const auto& [name, others] : aliases) {
        for (const std::string& other : others) canonical_[other] = name;
    }
}

NameId NameTable::id(std::string_view function) {
    if (const auto known = ids_.find(function); known != ids_.end()) return known->second;
    const std::string_view base = chain::base_name(function);
    const auto alias = canonical_.find(base);
    const std::string text = alias == canonical_.end() ? std::string(base) : alias->second;
    NameId id = 0;
    if (const auto known = ids_.find(text); known != ids_.end()) {
        id = known->second;
    } else {
        id = static_cast<NameId>(names_.size());
        names_.push_back({text, noise_.is_noise(text)});
        ids_.emplace(text, id);
    }
    ids_.emplace(function, id);
    return id;
}

Tree::Tree(const chain::Chain& chain, NameTable& names,
           const std::map<chain::PacketId, PacketClass>& classes, const Unwatched& unwatched)
    : chain_(&chain) {
    add(chain.root, 0, chain.cpu, names, classes);
    if (!unwatched.take_skb.empty() || !unwatched.may_take_skb.empty()) find_blind(unwatched);
}

void Tree::add(const chain::Call& call, NodeId parent, unsigned cpu, NameTable& names,
               const std::map<chain::PacketId, PacketClass>& classes) {
    const auto id = static_cast<NodeId>(nodes_.size());
    const NameId name = names.id(call.function);
    nodes_.push_back({&call, parent, 0, name, false});
    by_name_[name].push_back(id);
    cpus_.insert(call.cpu.value_or(cpu));
    if (!call.incomplete.empty()) incomplete_.push_back(id);
    for (const chain::SkbGeometry& skb : call.skbs) {
        const auto packet = skb.packet ? classes.find(*skb.packet) : classes.end();
        if (packet == classes.end()) continue;
        auto& places = packets_[packet->second];
        if (places.empty() || places.back() != id) places.push_back(id);
    }
    for (const chain::Call& below : call.calls) add(below, id, cpu, names, classes);
    nodes_[id].end = static_cast<NodeId>(nodes_.size());
}

void Tree::find_blind(const Unwatched& unwatched) {
    // From the last call to the root: what is below a call has a larger number.
    std::vector<bool> seen(nodes_.size(), false);
    std::vector<bool> unseen(nodes_.size(), false);
    for (auto id = static_cast<NodeId>(nodes_.size()); id-- > 0;) {
        Node& node = nodes_[id];
        const bool itself = unwatched.take_skb.contains(node.name);
        seen[id] = seen[id] || !node.call->skbs.empty();
        unseen[id] = unseen[id] || itself || unwatched.may_take_skb.contains(node.name);
        node.blind = itself || (unseen[id] && !seen[id]);
        seen[node.parent] = seen[node.parent] || seen[id];
        unseen[node.parent] = unseen[node.parent] || unseen[id];
    }
}

const std::vector<NodeId>& Tree::calls_of(NameId name) const {
    static const std::vector<NodeId> none;
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? none : found->second;
}

bool Tree::takes(NodeId node, PacketClass packet) const {
    const auto found = packets_.find(packet);
    return found != packets_.end() &&
           std::binary_search(found->second.begin(), found->second.end(), node);
}

bool Tree::handles(NodeId node, PacketClass packet) const {
    const auto found = packets_.find(packet);
    if (found == packets_.end()) return false;
    const auto place = std::lower_bound(found->second.begin(), found->second.end(), node);
    return place != found->second.end() && *place < nodes_[node].end;
}

namespace {

/// Whether `holds` of any packet that is in both. The fewer are gone through: a chain handles a few
/// packets, and those that an expectation is about may be all of a recording.
template <typename Handled, typename Holds>
bool any_of_both(const std::set<PacketClass>& packets, const Handled& handled, const Holds& holds) {
    if (packets.size() <= handled.size()) {
        return std::any_of(packets.begin(), packets.end(), holds);
    }
    return std::any_of(handled.begin(), handled.end(), [&](const auto& entry) {
        return packets.contains(entry.first) && holds(entry.first);
    });
}

}  // namespace

bool Tree::takes_any(NodeId node, const std::set<PacketClass>& packets) const {
    return any_of_both(packets, packets_, [&](PacketClass packet) { return takes(node, packet); });
}

bool Tree::handles_any(NodeId node, const std::set<PacketClass>& packets) const {
    return any_of_both(packets, packets_,
                       [&](PacketClass packet) { return handles(node, packet); });
}

std::vector<std::string> Tree::path(NodeId node) const {
    std::vector<std::string> result = {nodes_[node].call->function};
    while (node != 0) {
        node = nodes_[node].parent;
        result.push_back(nodes_[node].call->function);
    }
    std::reverse(result.begin(), result.end());
    return result;
}

namespace {

/// The functions of which the recording cannot show the sk_buff that they are given.
Unwatched unwatched_functions(const chain::Observed& observed, NameTable& names) {
    Unwatched unwatched;
    for (const chain::Unavailable& function : observed.unavailable) {
        unwatched.take_skb.insert(names.id(function.function));
    }
    for (const std::string& function : observed.traced) {
        const bool clone = function.find(".constprop") != std::string::npos ||
                           function.find(".isra") != std::string::npos;
        if (clone) unwatched.may_take_skb.insert(names.id(function));
    }
    for (const std::string& function : observed.probed) {
        unwatched.take_skb.erase(names.id(function));
        unwatched.may_take_skb.erase(names.id(function));
    }
    return unwatched;
}

}  // namespace

Forest::Forest(const chain::Recording& recording, NameTable& names)
    : classes_(packet_classes(recording)),
      unwatched_(unwatched_functions(recording.observed, names)) {
    trees_.reserve(recording.chains.size());
    for (const chain::Chain& chain : recording.chains) {
        trees_.emplace_back(chain, names, classes_, unwatched_);
    }
}

void Forest::renew(std::size_t index, const chain::Chain& chain, NameTable& names) {
    trees_.at(index) = Tree(chain, names, classes_, unwatched_);
}

std::vector<chain::PacketId> Forest::members(PacketClass packet) const {
    std::vector<chain::PacketId> result;
    for (const auto& [id, its_class] : classes_) {
        if (its_class == packet) result.push_back(id);
    }
    return result;
}

}  // namespace skbtrail::labs
