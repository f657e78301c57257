// Names that data may give: of files beside it, of programs. Never paths.
#pragma once

#include <string>

#include "tracer/chain/json_reader.h"

namespace skbtrail::labs {

/// Fails (chain::FormatError with the place) unless the value names a file of the lab's own folder.
std::string file_name(const chain::JsonValue& value);

/// Fails likewise unless the value is the name of a program, not a path to one.
std::string program_name(const chain::JsonValue& value);

}  // namespace skbtrail::labs
