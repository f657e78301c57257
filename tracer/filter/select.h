// What of a recording belongs to wanted packets.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "tracer/capture.h"
#include "tracer/chain/recording.h"
#include "tracer/filter/packet_filter.h"
#include "tracer/following/packets.h"
#include "tracer/function_table.h"
#include "tracer/merge.h"

namespace skbtrail::tracer {

/// What the events of one packet say of what is asked for.
struct Found {
    bool expression = false;
    bool interface = false;
    bool netns = false;
};

/// Judges by the fields of events, which come one after the other.
class FieldJudge {
  public:
    explicit FieldJudge(const PacketFilter& filter) : filter_(filter) {}

    void look(const skbtrail_event& event, std::span<const std::uint8_t> bytes, Found& found) const;
    [[nodiscard]] bool wants(const Found& found) const;

  private:
    const PacketFilter& filter_;
};

/// True when the packet that has the edge went into the other one; else it was made of it.
bool leads_away(const chain::PacketEdge& edge);

/// Removes calls that are about unwanted packets only.
class Pruner {
  public:
    /// `number`: the number that a packet is to get; no_packet: it is not wanted.
    Pruner(std::function<chain::PacketId(chain::PacketId)> number, const FunctionTable& functions);

    /// Prunes below `call`; true when there is a wanted packet in it or below.
    bool prune(chain::Call& call) const;
    /// Numbers the packets that `packet` speaks of; what it says of others goes.
    void prune(chain::Packet& packet) const;

  private:
    std::function<chain::PacketId(chain::PacketId)> number_;
    std::unordered_set<std::string_view> takes_;
};

/// Tells of each packet (by its id minus 1) whether it is wanted. `marked`: a program in the kernel
/// judged and marked the events; else they are judged here, by their fields.
///
/// What was made of a wanted packet (a copy, a segment, a larger head), and what one was merged
/// into, is wanted too.
std::vector<bool> wanted_packets(const Capture& capture,
                                 const std::map<unsigned, CpuMatch>& matches,
                                 const Packets& packets, const PacketFilter& filter, bool marked);

/// Removes calls that are about unwanted packets only, and chains without a wanted one. Those that
/// are left are numbered from 1.
void keep_chains(const Pruner& pruner, std::vector<chain::Chain>& chains);

/// Removes the packets that are not wanted and numbers the others anew; the calls that were given
/// none but such packets, unless a wanted one is below them; and chains without a wanted packet.
void keep_wanted(const std::vector<bool>& wanted, const FunctionTable& functions,
                 std::vector<chain::Packet>& packets, std::vector<chain::Chain>& chains);

}  // namespace skbtrail::tracer
