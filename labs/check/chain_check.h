// Judging one expected chain.
#pragma once

#include "labs/check/divergence.h"
#include "labs/check/expectation.h"
#include "labs/check/matcher.h"
#include "labs/check/verdict.h"

namespace skbtrail::labs {

/// Judges `expected`. Reads the bindings of the chains above, and adds the chain's own.
ChainVerdict check_chain(const Evidence& evidence, const ExpectedChain& expected,
                         Bindings& bindings);

}  // namespace skbtrail::labs
