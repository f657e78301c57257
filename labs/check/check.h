// Is a recording what was expected?
#pragma once

#include "labs/check/expectation.h"
#include "labs/check/verdict.h"
#include "tracer/chain/recording.h"

namespace skbtrail::labs {

/// Judges `recording`. A chain passes only when the recording proves it: with losses that could
/// touch it, it is not judgeable.
Verdict check(const chain::Recording& recording, const Expectation& expectation);

}  // namespace skbtrail::labs
