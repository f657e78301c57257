// The small parts that an expectation's JSON is made of.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "labs/check/expectation.h"
#include "tracer/chain/json_reader.h"

namespace skbtrail::labs {

template <typename T, typename Read>
std::vector<T> read_array(const chain::JsonValue& value, const Read& read) {
    std::vector<T> result;
    const std::size_t count = value.size();
    result.reserve(count);
    for (std::size_t i = 0; i < count; ++i) result.push_back(read(value.element(i)));
    return result;
}

/// A string, or an array of strings.
std::vector<std::string> read_one_or_more(const chain::JsonValue& value);

/// The name of a function, without a compiler's suffix.
std::string read_function(const chain::JsonValue& value);

/// A number, or {"min": …, "max": …}.
CountRange read_count(const chain::JsonValue& value);

/// The object under "when".
Conditions read_conditions(const chain::JsonValue& value);

}  // namespace skbtrail::labs
