// The labs that the project ships.
#pragma once

#include <set>
#include <string>

namespace skbtrail::tests {

/// The names of all of them.
std::set<std::string> shipped_labs();

}  // namespace skbtrail::tests
