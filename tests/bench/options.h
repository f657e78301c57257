// The command line of skbtrail-bench.
#pragma once

#include <filesystem>
#include <string>
#include <variant>
#include <vector>

#include "tests/bench/cell.h"

namespace skbtrail::bench {

struct Options {
    std::vector<std::string> filters;  ///< parts of names; empty: everything
    unsigned rounds = 5;
    bool list = false;
    std::filesystem::path json;     ///< empty: none
    std::filesystem::path results;  ///< directory for tables and plots; empty: none
    Conditions conditions;
};

/// What to do instead: print `message` and exit with `status`.
struct EarlyExit {
    int status = 0;
    std::string message;
};

std::variant<Options, EarlyExit> parse_options(int argc, const char* const* argv);

/// Whether a cell of this name is asked for.
bool wanted(const Options& options, const std::string& name);

}  // namespace skbtrail::bench
