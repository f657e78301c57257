// One packet's part of a recording: the calls that handle it, below the roots that it was handled
// under, and what these called without any packet. And chains that handle none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "labs/check/forest.h"
#include "labs/check/packet_class.h"
#include "labs/diff/rules.h"
#include "tracer/chain/recording.h"

namespace skbtrail::labs::diff {

/// One call as one packet sees it.
struct ViewCall {
    NameId name = 0;
    const chain::Call* call = nullptr;
    const chain::Chain* chain = nullptr;
    bool takes = false;       ///< it is given the packet
    bool incomplete = false;  ///< it, or a call above it, may lack calls below
    std::uint64_t shape = 0;  ///< equal for equal trees
    std::size_t size = 1;     ///< calls, itself included
    std::vector<ViewCall> calls;
};

/// What to look at.
struct Focus {
    std::string from;   ///< glob: only what begins at or after the packet's first call of it
    std::string below;  ///< glob: only calls of it, and what is below
    std::vector<std::string> ignore;  ///< globs: such calls, and what is below, are left out
    bool noise = false;               ///< locks, memory, timers and the like too
};

/// All packets' parts of one recording.
class Views {
  public:
    /// `recording` has to outlive this. Subtrees that a rule sets apart become trees of their own.
    Views(const chain::Recording& recording, NameTable& names, RuleBook& rules, const Focus& focus);

    /// The network's packets (those whose headers were seen), by the first id of each, in order.
    const std::vector<PacketClass>& packets() const { return packets_; }
    const chain::Packet& packet(PacketClass packet) const { return *by_id_.at(packet); }
    /// The heads that the packet lived in.
    const std::vector<const chain::Packet*>& members(PacketClass packet) const {
        return members_.at(packet);
    }

    /// The packet's trees, in order of time.
    std::vector<ViewCall> of(PacketClass packet) const;

    /// How many chains hold no call that is given one of packets().
    std::size_t without_packet() const { return without_packet_.size(); }
    bool is_without_packet(chain::ChainId chain) const { return without_packet_.contains(chain); }
    /// Such a chain; more than one tree, or none, by the focus.
    std::vector<ViewCall> of_chain(chain::ChainId chain) const;

    /// Whether calls of this name could have been recorded.
    bool visible(NameId name) const { return traced_.empty() || traced_.contains(name); }
    /// Whether a call like this one, of `other`, would have been recorded here, had it been made.
    /// What another boot of the same build could trace in a module, and this one could not, is of a
    /// module that was not loaded here: nobody called it.
    bool would_show(const ViewCall& call, const Views& other) const;
    /// Whether there is probably no such function here, rather than one that was inlined: the
    /// kernels are two builds of one version by the same person (or of one release), and one of
    /// them has it.
    bool probably_lacks(const ViewCall& call, const Views& other) const;
    const chain::Recording& recording() const { return recording_; }

  private:
    /// A tree, or what was set apart from one, as a list in the order in which calls began.
    struct Node {
        const chain::Call* call = nullptr;
        NameId name = 0;
        std::size_t end = 0;     ///< one behind the last call below
        std::size_t takers = 0;  ///< calls before this one, in the list, that are given a packet
        bool incomplete = false;
    };
    struct Piece {
        const chain::Chain* chain = nullptr;
        std::vector<Node> nodes;
        std::map<PacketClass, std::vector<std::size_t>> takers;
        std::size_t taken = 0;
    };

    void add(const chain::Call& call, const chain::Chain& chain, std::size_t piece,
             std::vector<NameId>& callers, bool incomplete);
    bool stands_apart(NameId name, std::span<const NameId> callers);
    bool handles_any(const chain::Call& call) const;
    std::optional<PacketClass> network_packet(const chain::SkbGeometry& skb) const;
    std::optional<chain::Nanoseconds> beginning(PacketClass packet) const;
    /// `takers`: the calls of the piece that are given the packet, in order.
    bool build(const Piece& piece, std::size_t node, std::span<const std::size_t> takers,
               const std::optional<chain::Nanoseconds>& since, ViewCall& out) const;
    void add_tree(ViewCall tree, std::vector<ViewCall>& trees) const;
    void narrow(ViewCall& tree, std::vector<ViewCall>& out) const;
    bool ignored(NameId name) const;

    const chain::Recording& recording_;
    NameTable& names_;
    RuleBook& rules_;
    const Focus& focus_;
    std::map<chain::PacketId, PacketClass> classes_;
    std::set<PacketClass> network_;
    std::vector<PacketClass> packets_;
    std::map<PacketClass, const chain::Packet*> by_id_;
    std::map<PacketClass, std::vector<const chain::Packet*>> members_;
    std::set<NameId> traced_;
    std::set<NameId> unavailable_;
    std::deque<Piece> pieces_;
    std::map<chain::ChainId, std::size_t> without_packet_;  ///< their pieces
    std::map<PacketClass, std::vector<std::size_t>> pieces_of_;
};

}  // namespace skbtrail::labs::diff
