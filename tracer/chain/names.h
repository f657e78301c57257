// Names of kernel functions, as they are compared.
#pragma once

#include <string_view>

namespace skbtrail::chain {

/// `name` without what a compiler appends to the name of a clone of a function: `.isra.0`,
/// `.constprop.0`, `.part.0`, `.cold`, `.llvm.123`, `.lto_priv.0`, `.localalias`, in any
/// combination. Two names that are equal without are the same function of the source. Anything
/// else behind a dot is part of the name and stays.
std::string_view base_name(std::string_view name);

}  // namespace skbtrail::chain
