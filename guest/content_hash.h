// Names for content: the same bytes, the same name.
#pragma once

#include <string>
#include <string_view>

namespace skbtrail::guest {

/// SHA-256 of `bytes`, as 64 hex digits.
std::string content_hash(std::string_view bytes);

}  // namespace skbtrail::guest
