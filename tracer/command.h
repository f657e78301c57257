// The command that is watched.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "tracer/files.h"

namespace skbtrail::tracer {

/// Blocks the signals that end the collector and those of its children, so that they are waited for
/// in one place, and undoes it.
class SignalGuard {
  public:
    SignalGuard();
    ~SignalGuard();
    SignalGuard(const SignalGuard&) = delete;
    SignalGuard& operator=(const SignalGuard&) = delete;

    /// True when SIGINT or SIGTERM came already.
    [[nodiscard]] bool end_requested() const;
};

/// When a recording ends, if nothing else ends it.
struct Limits {
    double seconds = 0;            ///< 0: no limit
    std::function<bool()> enough;  ///< asked now and then, where there is no command; may be empty
};

/// Runs `words` (a program looked for in PATH, and its arguments) and waits for its end. SIGINT and
/// SIGTERM are passed on to it, and SIGTERM sent when its time is over; a second one, or ten
/// seconds, kills it. Needs a SignalGuard.
///
/// Returns its exit status, 128 + n when signal n ended it, 127 when there is no such program, and
/// 126 when it cannot be run.
int run_command(const std::vector<std::string>& words, const Limits& limits);

/// Waits until a signal ends the recording, or a limit. Needs a SignalGuard.
void wait_for_end(const Limits& limits);

}  // namespace skbtrail::tracer
