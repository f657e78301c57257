// Which functions are recorded, by globs.
#pragma once

#include <string>
#include <vector>

#include "tracer/chain/recording.h"
#include "tracer/plan.h"

namespace skbtrail::tracer {

/// Leaves those functions in the plan whose name matches one of `globs` (fnmatch(3)), with or
/// without the compiler's suffix, or one of `roots`, and those that tell packets apart. No globs:
/// leaves all. Throws Failure for a glob or a root that matches none.
void narrow_functions(Plan& plan, const std::vector<std::string>& globs,
                      const std::vector<std::string>& roots);

/// Makes chains of the outermost calls that match one of `globs`, and drops what is outside them.
/// Chains are numbered anew.
void begin_at(std::vector<chain::Chain>& chains, const std::vector<std::string>& globs);

}  // namespace skbtrail::tracer
