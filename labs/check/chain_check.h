// Judging one expected chain.
#pragma once

#include <set>

#include "labs/check/divergence.h"
#include "labs/check/expectation.h"
#include "labs/check/losses.h"
#include "labs/check/matcher.h"
#include "labs/check/verdict.h"

namespace skbtrail::labs {

/// Judges `expected`. Reads the bindings of the chains above, and adds the chain's own.
ChainVerdict check_chain(const Evidence& evidence, const ExpectedChain& expected,
                         Bindings& bindings);

/// The packets of the recording that have the headers of `selector`.
std::set<PacketClass> packets_like(const Evidence& evidence, const PacketSelector& selector);

/// The calls of `tree` that `forbidden` is about.
std::vector<NodeId> forbidden_calls(const NameTable& names, const Tree& tree,
                                    const Forbidden& forbidden, const Bindings& bindings);

/// Why the absence of what is forbidden would prove nothing here; nothing when it would.
std::string unprovable(const Evidence& evidence, const Forbidden& forbidden);

}  // namespace skbtrail::labs
