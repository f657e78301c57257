// This program once more, from its beginning, in place of this process.
#pragma once

#include <string>
#include <vector>

namespace skbtrail::labs {

/// Replaces this process, threads and all, by one that runs the same program in the environment
/// that this one was started in, with the same arguments and `more` behind them: who waits for this
/// process waits for that one. Throws CannotRun when it cannot be started.
[[noreturn]] void start_anew(const std::vector<std::string>& more);

}  // namespace skbtrail::labs
