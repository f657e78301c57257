// Patterns of names, as users write them: fnmatch(3) without flags, so `*` matches any text, `?` a
// character, `[…]` one of several.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <fnmatch.h>

namespace skbtrail::chain {

inline bool glob_matches(const std::string& glob, const std::string& name) {
    return ::fnmatch(glob.c_str(), name.c_str(), 0) == 0;
}

inline bool any_glob_matches(const std::vector<std::string>& globs, const std::string& name) {
    return std::any_of(globs.begin(), globs.end(),
                       [&name](const std::string& glob) { return glob_matches(glob, name); });
}

}  // namespace skbtrail::chain
