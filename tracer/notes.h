// What is said to a person on standard error while all goes on.
#pragma once

#include <cstdio>
#include <string>

#include <fmt/format.h>

namespace skbtrail::tracer {

inline void note(const std::string& text) {
    fmt::print(stderr, "skbtrail-collect: {}\n", text);
}

}  // namespace skbtrail::tracer
