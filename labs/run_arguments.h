// What `skbtrail run` was asked for: one lab on one kernel, or a batch of them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "labs/command.h"
#include "labs/runner/run_options.h"

namespace skbtrail::labs {

struct RunArguments {
    std::vector<std::string> labs;
    bool all = false;
    std::vector<std::string> kernels;  ///< as given: each may be a list
    std::vector<std::string> lab_directories;
    RunOptions run;
    std::string expectation;
    std::string change;  ///< a path as load_change() takes it; empty: none
    std::string result_file;
    double deadline_scale = 1.0;
    bool quiet = false;
    bool verbose = false;
    bool exit_with_parent = false;
    bool boot_each = false;
    int attempt = 1;  ///< at one lab: events that were lost may have kept an earlier from judging
    std::size_t jobs = 1;
    std::string format = "text";
    std::string shard;
    LookOptions look;

    /// Whether it is more than one lab on one kernel, told in text.
    bool is_batch() const;
};

/// Where results of several runs go: `named`, else a new ./skbtrail-results/KIND-YYYYmmddTHHMMSS.
std::filesystem::path new_batch_directory(const std::filesystem::path& named,
                                          const std::string& kind);

/// Runs labs times kernels, each in a process of its own, and reports. Returns the exit status.
int run_batch(const RunArguments& arguments);

}  // namespace skbtrail::labs
