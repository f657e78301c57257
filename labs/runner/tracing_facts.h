// What can be done with a kernel, as far as its configuration says.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace skbtrail::labs {

struct TracingFact {
    bool can = false;
    std::string text;  ///< for a person: what, and which option says so
};

/// The options that a kernel needs to be a guest of ours, and that the text of its config file does
/// not set.
std::vector<std::string> missing_for_guest(std::string_view config);

/// Reads the text of a kernel's config file.
std::vector<TracingFact> tracing_facts(std::string_view config);

}  // namespace skbtrail::labs
