// Which plan a recording uses: the one that was kept, if it fits, or a new one.
#pragma once

#include <string>
#include <vector>

#include "tracer/ftrace/functions.h"
#include "tracer/options.h"
#include "tracer/plan.h"

namespace skbtrail::tracer {

struct PlanInUse {
    Plan plan;
    bool computed = false;  ///< it was not read from Options::plan
};

/// The plan of Options::plan, or a new one; says on standard error why a kept one is not used.
/// Throws Failure when none can be computed.
PlanInUse choose_plan(const Options& options, const std::string& tracefs,
                      const std::vector<Module>& modules);

}  // namespace skbtrail::tracer
