// What came of one lab on one kernel: result.json in its result directory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "guest/cache.h"
#include "labs/check/verdict.h"

namespace skbtrail::labs::batch {

enum class LabOutcome : std::uint8_t {
    passed,
    diverged,
    not_judgeable,
    skipped,      ///< not meant for this kernel
    failed,       ///< could not run
    interrupted,  ///< the user ended it
};

/// "passed", "diverged", "not_judgeable", "skipped", "failed", "interrupted".
std::string_view outcome_name(LabOutcome outcome);

/// One expected chain.
struct ChainResult {
    std::string name;
    LabOutcome outcome = LabOutcome::passed;
    std::string text;  ///< why it did not pass
};

struct LabResult {
    std::string lab;
    std::string kernel;   ///< as it was asked for: "6.12", a path
    std::string release;  ///< the exact one; empty when it was not found
    LabOutcome outcome = LabOutcome::failed;
    std::string text;  ///< why it did not pass, in a sentence
    double seconds = 0;
    std::string directory;  ///< where the recording and the logs are
    /// The folder, beside `directory`, of the boot that it shared with others; empty: its own.
    std::string guest;
    std::vector<ChainResult> chains;
};

/// What a verdict says of a lab.
LabResult result_of(const Verdict& verdict);

/// As JSON text, ended by a newline.
std::string to_json(const LabResult& result);
/// Reads one. Throws chain::FormatError.
LabResult parse_result(std::string_view json);

/// The results below `directories`, each a batch's or one run's, sorted by kernel and lab. Of a lab
/// that a directory's batch.json announces and nobody has a result of, one that says so. Of one
/// that is there twice the later counts, which `tell` is told. Throws CannotRun when a directory
/// holds none, chain::FormatError (with the file) for a broken one.
std::vector<LabResult> collect(const std::vector<std::filesystem::path>& directories,
                               const guest::Progress& tell = {});

/// The exit status of skbtrail for all of them: 1 if any diverged, else 2 if any could not be run
/// or judged, else 0.
int exit_status(const std::vector<LabResult>& results);

}  // namespace skbtrail::labs::batch
