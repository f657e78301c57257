// A comparison of two recordings as text for a terminal.
#pragma once

#include <iosfwd>

#include "labs/diff/comparison.h"
#include "labs/show/options.h"

namespace skbtrail::labs {

/// What is different, in the tree of its callers: "-" gone, "+" added, ">" moved, "~" renamed, "?"
/// not known. What is equal has no line. With `options.fold` functions that one side cannot show
/// are only listed by name.
void show_diff(std::ostream& out, const diff::Comparison& comparison, const ShowOptions& options);

}  // namespace skbtrail::labs
