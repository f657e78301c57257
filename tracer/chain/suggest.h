// "Did you mean …?"
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace skbtrail::chain {

/// The candidate that `word` most likely is a slip of: at most a third of its letters, and three,
/// inserted, left out, changed or swapped with their neighbour. Nothing when none is that close.
std::optional<std::string_view> closest(std::string_view word,
                                        std::span<const std::string_view> candidates);

/// `; did you mean "call"?`, or nothing: to be put behind a sentence about an unknown `word`.
std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace skbtrail::chain
