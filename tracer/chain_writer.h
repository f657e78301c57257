// From trees of calls to chains of a recording.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tracer/chain/recording.h"
#include "tracer/following/packets.h"
#include "tracer/function_table.h"
#include "tracer/merge.h"
#include "tracer/tree.h"

namespace skbtrail::tracer {

/// The packets of events: Packets::of_event.
using PacketsOfEvents = std::map<unsigned, std::vector<chain::PacketId>>;

/// The name of a thread; empty: not known.
using NameOf = std::function<std::string(std::uint32_t)>;

class ChainWriter {
  public:
    /// All arguments must outlive it. `interrupts`: what a hard interrupt did is a chain.
    ChainWriter(const Forest& forest, const FunctionTable& functions,
                const std::map<unsigned, CpuMatch>& matches, const PacketsOfEvents& packets,
                bool interrupts)
        : forest_(forest),
          functions_(functions),
          matches_(matches),
          packets_(packets),
          interrupts_(interrupts) {}

    /// The chains of the trees whose first calls are `tops`, in this order, numbered from 1. A tree
    /// is a chain when it begins at a root, was cut out of a chain, or a call of it was given a
    /// packet, or may have been (Node::unseen). And, if they are asked for, when a hard interrupt
    /// began it.
    [[nodiscard]] std::vector<chain::Chain> chains_of(const std::vector<NodeId>& tops,
                                                      const NameOf& name_of) const;

  private:
    [[nodiscard]] chain::Call call_of(NodeId id, unsigned chain_cpu) const;
    [[nodiscard]] bool may_carry_packet(NodeId id) const;
    void add_skbs(const Node& node, chain::Call& call) const;

    const Forest& forest_;
    const FunctionTable& functions_;
    const std::map<unsigned, CpuMatch>& matches_;
    const PacketsOfEvents& packets_;
    const bool interrupts_;
};

}  // namespace skbtrail::tracer
