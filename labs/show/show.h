// Recordings and verdicts as text for a terminal. Pure: everything goes to the stream that is
// given, as the options say; nothing is asked of the environment (options.h does that).
#pragma once

#include <iosfwd>
#include <vector>

#include "labs/check/verdict.h"
#include "labs/show/options.h"
#include "tracer/chain/recording.h"

namespace skbtrail::labs {

/// One chain as a tree: what ran where and how long, and at each call that takes an sk_buff where
/// head, data, tail and end stand and what moved since the packet was seen last.
void show_chain(std::ostream& out, const chain::Recording& recording, const chain::Chain& chain,
                const ShowOptions& options);

/// A line for each chain: id, context, root, packets, number of calls.
void show_chain_list(std::ostream& out, const chain::Recording& recording,
                     const ShowOptions& options);

/// A line for each packet: id, summary, edges to others, and what became of it.
void show_packets(std::ostream& out, const chain::Recording& recording, const ShowOptions& options);

/// What the NIC saw and did at its rings: for each queue how often, and a line for each event,
/// kicks and calls among them, and those that were suppressed with the reason. With
/// `options.packet` only the events that carried it and the notifications that came with them.
void show_ring(std::ostream& out, const chain::Recording& recording, const ShowOptions& options);

/// What was observed, with what, and how much of it.
void show_observed(std::ostream& out, const chain::Recording& recording,
                   const ShowOptions& options);

/// What was lost, in one line when nothing was.
void show_losses(std::ostream& out, const std::vector<chain::Loss>& losses,
                 const ShowOptions& options);

/// The verdict: the chains that passed; for each that did not the steps that led to the first
/// divergence, what was expected, what came, the likely cause and what to do next; the losses.
void show_verdict(std::ostream& out, const Verdict& verdict, const ShowOptions& options);

}  // namespace skbtrail::labs
