// The machine that the numbers are of.
#pragma once

#include <nlohmann/json.hpp>

namespace skbtrail::bench {

/// Processor, how many, kernel, and the load averages of now.
nlohmann::json describe_machine();

}  // namespace skbtrail::bench
