// From matched events, trees and packets to the chains of a recording.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tracer/capture.h"
#include "tracer/chain/recording.h"
#include "tracer/chain_writer.h"
#include "tracer/filter/packet_filter.h"
#include "tracer/function_table.h"
#include "tracer/merge.h"
#include "tracer/tree.h"

namespace skbtrail::tracer {

/// What is assembled of a capture: everything of a recording but the circumstances and the losses
/// that only the kernel's counters know.
struct Assembled {
    std::vector<chain::Chain> chains;
    std::vector<chain::Packet> packets;
    std::vector<chain::Loss> losses;
};

/// What an assembly keeps.
struct Selection {
    PacketFilter filter;      ///< which packets
    bool marked = false;      ///< a program in the kernel judged them and marked their events
    bool interrupts = false;  ///< hard interrupts that were given no packet, too
};

/// Assembles. `names` are threads' names by id where the events do not tell them.
///
/// A tree becomes a chain when it begins at a root (a poll of a NAPI instance, a socket's system
/// call), was cut out of a chain, or carried a packet; with `selection.interrupts` also when it is
/// what a hard interrupt did.
Assembled assemble(const Capture& capture, const FunctionTable& functions, const Window& window,
                   const std::vector<std::string>& drop_reasons,
                   const std::map<std::uint32_t, std::string>& names,
                   const Selection& selection = {});

/// The name that an event of a root tells of its thread; nothing when it tells none.
std::optional<std::string> name_in_event(const Capture& capture, const skbtrail_event& event);

/// Names the threads that read the packet.
void name_readers(chain::Packet& packet, const NameOf& name_of);

/// What the two sides told, and which of it belongs together.
struct Told {
    const Capture& capture;
    const std::map<unsigned, CpuMatch>& matches;  ///< of each CPU of the capture
    const FunctionTable& functions;
};

/// Every counter of what was not seen that is not the kernel's own. `implausible`: sightings whose
/// fields cannot be an sk_buff's.
void add_losses(const Told& told, const Forest& forest, std::uint64_t implausible,
                std::vector<chain::Loss>& losses);

/// The threads that a capture needs names of.
std::vector<std::uint32_t> threads_of(const Capture& capture);

}  // namespace skbtrail::tracer
