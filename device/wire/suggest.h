// "Did you mean …": the known word nearest to an unknown one.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace skbtrail::device {

/// `"nat", "reflect", "script"`, for an error that names what is known.
std::string quoted_list(std::span<const std::string_view> words);

/// The end of a sentence about an unknown `word`: `; did you mean "nat"?` when a known word is
/// near, else `; known are "nat", "reflect"`.
std::string did_you_mean(std::string_view word, std::span<const std::string_view> known);

}  // namespace skbtrail::device
