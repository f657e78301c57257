// What must not come.
#pragma once

#include <string>
#include <vector>

#include "labs/check/divergence.h"
#include "labs/check/expectation.h"
#include "labs/check/forest.h"
#include "labs/check/matcher.h"

namespace skbtrail::labs {

/// The calls of `tree` that `forbidden` is about.
std::vector<NodeId> forbidden_calls(const NameTable& names, const Tree& tree,
                                    const Forbidden& forbidden, const Bindings& bindings);

/// Why the absence of what is forbidden would prove nothing here; nothing when it would.
std::string unprovable(const Evidence& evidence, const Forbidden& forbidden);

}  // namespace skbtrail::labs
