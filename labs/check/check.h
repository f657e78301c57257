// Is a recording what was expected?
#pragma once

#include "labs/check/divergence.h"
#include "labs/check/expectation.h"
#include "labs/check/matcher.h"
#include "labs/check/verdict.h"
#include "tracer/chain/recording.h"

namespace skbtrail::labs {

/// Judges `recording`. A chain passes only when the recording proves it: with losses that could
/// touch it, it is not judgeable.
Verdict check(const chain::Recording& recording, const Expectation& expectation);

/// The same of a recording that is laid out already.
Verdict check(const Evidence& evidence, const Expectation& expectation);

/// The packets that have a name in all chains.
Bindings named_packets(const Evidence& evidence, const Expectation& expectation);

}  // namespace skbtrail::labs
