// From "it does not match" to what a person needs to know: the place, what was expected, what came,
// why that probably is, what to do.
#pragma once

#include <optional>
#include <string>

#include "labs/check/forest.h"
#include "labs/check/matcher.h"
#include "labs/check/verdict.h"
#include "labs/check/visibility.h"
#include "tracer/chain/recording.h"

namespace skbtrail::labs {

/// What causes are looked for in.
struct Evidence {
    const chain::Recording& recording;
    const Forest& forest;
    NameTable& names;
    const Visibility& visibility;
};

/// Describes where `tree` leaves what was expected. `packet`: the one that it was compared for.
/// `loss`: what may be missing from the tree, in a sentence; empty for nothing.
Divergence describe_miss(const Evidence& evidence, const Tree& tree, const Miss& miss,
                         std::optional<chain::PacketId> packet, const std::string& loss);

/// Describes a call that the expectation forbids.
Divergence describe_forbidden(const Tree& tree, NodeId node, const Forbidden& forbidden,
                              std::optional<chain::PacketId> packet);

}  // namespace skbtrail::labs
