// Is everything there that a run needs? A list of findings, each with what to do about it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "labs/runner/watch.h"

namespace skbtrail::labs {

struct Finding {
    enum class State : std::uint8_t {
        good,
        notable,  ///< a run works, but something is slower or missing
        bad,      ///< a run does not work
    };
    State state = State::good;
    std::string subject;
    std::string text;
    std::string advice;  ///< what to do; empty when it is good
};

struct DoctorOptions {
    std::filesystem::path qemu;  ///< empty: from PATH
    bool offline = false;        ///< do not ask the mirror
    std::vector<std::string> lab_directories;
};

/// Looks at everything, calling `tell` with each finding as it is made. Proves the accelerator
/// anew and remembers the answer. Must be called while the process has one thread. Throws
/// Interrupted.
void examine(const DoctorOptions& options, const SignalWatch& signals,
             const std::function<void(const Finding&)>& tell);

}  // namespace skbtrail::labs
