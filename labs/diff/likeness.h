// How much alike two calls are, from 0 to 1.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "labs/diff/view.h"

namespace skbtrail::labs::diff {

/// Of what they call: the functions that both call directly. Two calls that call nothing are alike.
double likeness(const ViewCall& a, const ViewCall& b);

/// Of two names: letters in common, in order.
double likeness(std::string_view a, std::string_view b);

/// Pairs of places in two lists of calls, in order: the calls that are the same, chosen so that
/// what they call is as much alike as can be.
std::vector<std::pair<std::size_t, std::size_t>> common_calls(std::span<const ViewCall* const> a,
                                                              std::span<const ViewCall* const> b);

}  // namespace skbtrail::labs::diff
