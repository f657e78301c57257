// What every expectation knows: the paths that many packets take through the kernel (paths.json),
// and the names that a function had or will have on other kernels (renames.json).
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "labs/check/step_reader.h"

namespace skbtrail::labs {

/// Function → its other names, as the data file of known renames says. Each rename has a reason
/// there. Throws chain::FormatError where `json` is no such file.
std::map<std::string, std::vector<std::string>> parse_renames(std::string_view json);

/// Those that are built in (labs/check/renames.json).
const std::map<std::string, std::vector<std::string>>& known_renames();

/// The fragments that are built in (labs/check/paths.json).
const Fragments& common_paths();

}  // namespace skbtrail::labs
