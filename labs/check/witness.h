// One way in which a chain is as expected: which of its calls stand for required steps.
#pragma once

#include <map>

#include "labs/check/matcher.h"

namespace skbtrail::labs {

/// The calls of the tree that required steps of `list` need, each with the step that it stands for,
/// when the calls of `parent` are as `list` says. Where they can be read in several ways, one is
/// chosen. Empty when they do not match.
std::map<NodeId, const Step*> required_calls(Matcher& matcher, const PatternList& list,
                                             NodeId parent);

}  // namespace skbtrail::labs
