// Expectations as people write them.
#pragma once

#include <string>
#include <string_view>

#include "labs/check/expectation.h"
#include "tracer/chain/format_error.h"

namespace skbtrail::labs {

/// Reads an expectation. Throws chain::FormatError, which names the place and, for a keyword that
/// is not one, the keyword that was probably meant.
Expectation parse_expectation(std::string_view json);

/// Reads the file at `path`; the chain::FormatError names it. Throws std::system_error when it
/// cannot be read.
Expectation load_expectation(const std::string& path);

}  // namespace skbtrail::labs
