// A recording's chains laid out for comparing: every call is a number, every name is a number, and
// what is asked for often (who is below whom, where a packet is handled, who is called so) is
// answered without walking a tree.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "labs/check/noise.h"
#include "labs/check/packet_class.h"
#include "tracer/chain/recording.h"

namespace skbtrail::labs {

/// A function, whatever suffix a compiler gave it and whichever of its aliases it goes by.
using NameId = std::uint32_t;
/// A call within one tree, in the order in which calls began. 0 is the root.
using NodeId = std::uint32_t;

/// Numbers for functions' names.
class NameTable {
  public:
    NameTable(const std::map<std::string, std::vector<std::string>>& aliases, NoiseFilter noise);

    /// The number of `function`, with or without suffix, by any of its names.
    NameId id(std::string_view function);

    /// The expectation's own name for it: aliases and suffixes are gone.
    const std::string& text(NameId id) const { return names_[id].text; }
    bool is_noise(NameId id) const { return names_[id].noise; }
    std::size_t size() const { return names_.size(); }

  private:
    struct Name {
        std::string text;
        bool noise;
    };
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const {
            return std::hash<std::string_view>()(text);
        }
    };

    NoiseFilter noise_;
    std::map<std::string, std::string, std::less<>> canonical_;  ///< alias → name
    std::vector<Name> names_;
    std::unordered_map<std::string, NameId, Hash, std::equal_to<>> ids_;  ///< as spelt → number
};

/// Functions of which a recording cannot show the sk_buff that they are given.
struct Unwatched {
    std::set<NameId> take_skb;      ///< they do take one
    std::set<NameId> may_take_skb;  ///< the compiler changed their arguments, nobody knows how
};

struct Node {
    const chain::Call* call = nullptr;
    NodeId parent = 0;  ///< the root's is itself
    NodeId end = 0;     ///< one behind the last call below this one
    NameId name = 0;
    /// Which packet it handles could not be seen: it takes an sk_buff that the recording cannot
    /// show; or a call below it does, and no sk_buff was seen at any of those.
    bool blind = false;
};

/// One chain.
class Tree {
  public:
    Tree(const chain::Chain& chain, NameTable& names,
         const std::map<chain::PacketId, PacketClass>& classes, const Unwatched& unwatched);

    const chain::Chain& chain() const { return *chain_; }
    const std::vector<Node>& nodes() const { return nodes_; }
    const Node& node(NodeId id) const { return nodes_[id]; }

    /// The calls of one function, in order.
    const std::vector<NodeId>& calls_of(NameId name) const;

    /// Whether `node` is given a packet of `packet`.
    bool takes(NodeId node, PacketClass packet) const;
    /// Whether `node` or a call below it is given a packet of `packet`.
    bool handles(NodeId node, PacketClass packet) const;
    /// The same for any of `packets`, which may be all of a long recording.
    bool takes_any(NodeId node, const std::set<PacketClass>& packets) const;
    bool handles_any(NodeId node, const std::set<PacketClass>& packets) const;
    /// The packets that are handled anywhere in the chain.
    const std::map<PacketClass, std::vector<NodeId>>& packets() const { return packets_; }

    /// CPUs that it ran on.
    const std::set<unsigned>& cpus() const { return cpus_; }
    /// Calls of which something below may be missing, in order.
    const std::vector<NodeId>& incomplete() const { return incomplete_; }

    /// The functions from the root down to `node`, itself included, as recorded.
    std::vector<std::string> path(NodeId node) const;

  private:
    void add(const chain::Call& call, NodeId parent, unsigned cpu, NameTable& names,
             const std::map<chain::PacketId, PacketClass>& classes);
    void find_blind(const Unwatched& unwatched);

    const chain::Chain* chain_;
    std::vector<Node> nodes_;
    std::unordered_map<NameId, std::vector<NodeId>> by_name_;
    std::map<PacketClass, std::vector<NodeId>> packets_;
    std::set<unsigned> cpus_;
    std::vector<NodeId> incomplete_;
};

/// All chains of a recording.
class Forest {
  public:
    Forest(const chain::Recording& recording, NameTable& names);
    /// The trees point into the recording.
    Forest(chain::Recording&&, NameTable&) = delete;

    /// Lays `chain` out anew, which is the recording's at `index` and was changed.
    void renew(std::size_t index, const chain::Chain& chain, NameTable& names);

    const std::vector<Tree>& trees() const { return trees_; }
    PacketClass class_of(chain::PacketId packet) const { return classes_.at(packet); }
    /// The packets of a class, in order of their ids.
    std::vector<chain::PacketId> members(PacketClass packet) const;

  private:
    std::map<chain::PacketId, PacketClass> classes_;
    Unwatched unwatched_;
    std::vector<Tree> trees_;
};

}  // namespace skbtrail::labs
