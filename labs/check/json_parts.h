// The small parts that an expectation's JSON is made of.
#pragma once

#include <string>
#include <vector>

#include "labs/check/expectation.h"
#include "tracer/chain/json_reader.h"

namespace skbtrail::labs {

/// A string, or an array of strings.
std::vector<std::string> read_one_or_more(const chain::JsonValue& value);

/// The name of a function, without a compiler's suffix.
std::string read_function(const chain::JsonValue& value);

/// A number, or {"min": …, "max": …}.
CountRange read_count(const chain::JsonValue& value);

/// The object under "when".
Conditions read_conditions(const chain::JsonValue& value);

}  // namespace skbtrail::labs
