// Many runs, some of them at once, each in a process of its own: `skbtrail run` with one lab and
// one kernel. A run that crashes takes no other with it.
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "labs/batch/matrix.h"
#include "labs/batch/result.h"
#include "labs/runner/watch.h"

namespace skbtrail::labs::batch {

struct PoolOptions {
    std::filesystem::path program;       ///< skbtrail
    std::vector<std::string> arguments;  ///< for each run, besides lab, kernel and places
    std::filesystem::path directory;     ///< gets a result directory for each run
    std::size_t jobs = 1;                ///< runs at once
    /// For each cell what Boots takes; empty: every run boots its own guest.
    std::vector<std::string> machines = {};
    std::filesystem::path guests = {};  ///< a directory for guests that are kept meanwhile
};

/// The exit status of a run that could not take up the guest that it was given, so that the lab
/// has not begun.
inline constexpr int exit_not_resumed = 75;

/// Where a batch stands.
struct PoolState {
    std::size_t total = 0;
    std::vector<LabResult> finished;
    std::vector<std::string> notices;  ///< sentences about what did not go as it should
    struct Running {
        std::string name;  ///< of its folder
        std::chrono::steady_clock::time_point since;
    };
    std::vector<Running> running;
    std::size_t jobs = 1;

    /// How long it will still take, by how long the finished ones took; nothing known: zero.
    std::chrono::seconds left(std::chrono::steady_clock::time_point now) const;
};

/// Runs all cells and returns their results, in the order of `cells`. `changed` is called when a
/// run has ended, `tick` a few times a second. A signal ends the runs in order; those that did not
/// end by themselves are "interrupted". Throws CannotRun when a run cannot be started.
std::vector<LabResult> run_all(const std::vector<Cell>& cells, const PoolOptions& options,
                               const SignalWatch& signals,
                               const std::function<void(const PoolState&)>& changed,
                               const std::function<void(const PoolState&)>& tick);

}  // namespace skbtrail::labs::batch
