// One recording, from the first look at the kernel to the file.
#pragma once

#include "tracer/options.h"
#include "tracer/status.h"

namespace skbtrail::tracer {

/// Records `options.command`. Throws Failure when that is impossible; what was changed in the
/// kernel is put back then. The end of the command, whichever, is no failure.
void collect(const Options& options, StatusWriter& status);

}  // namespace skbtrail::tracer
