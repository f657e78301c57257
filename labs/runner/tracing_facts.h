// What can be observed on a kernel, as far as its configuration says.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace skbtrail::labs {

struct TracingFact {
    bool can = false;
    std::string text;  ///< for a person: what, and which option says so
};

/// Reads the text of a kernel's config file.
std::vector<TracingFact> tracing_facts(std::string_view config);

}  // namespace skbtrail::labs
