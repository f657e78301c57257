// A first draft of an expectation, from a recording: names and nesting to begin with, for somebody
// who then reads the kernel's source. It is marked as a draft, and a draft passes nothing.
#pragma once

#include <string>
#include <vector>

#include "tracer/chain/recording.h"

namespace skbtrail::labs {

/// The text of an expectation of the chains with these ids; of none: of all that handle a packet
/// whose headers are known. The calls on the way of a chain's packet are written out, the others
/// are leaves, noise is left out. `schema`: the path to expectation.schema.json, for editors;
/// empty: none. Throws std::invalid_argument when there is no such chain.
std::string draft_expectation(const chain::Recording& recording,
                              const std::vector<chain::ChainId>& chains,
                              const std::string& schema = {});

}  // namespace skbtrail::labs
