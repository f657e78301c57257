// Results of many runs, for people and for the programs that read test results.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "labs/batch/result.h"

namespace skbtrail::labs::batch {

enum class Format : std::uint8_t { text, json, junit, ktap };

/// "text", "json", "junit" or "ktap". Throws std::invalid_argument.
Format format_of(const std::string& name);

/// A table of labs and kernels, then a line for each that did not pass and each that was skipped,
/// then the counts.
std::string text_report(const std::vector<LabResult>& results);
/// {"format":"skbtrail-results", …} with each result as result.json has it.
std::string json_report(const std::vector<LabResult>& results);
/// JUnit's XML as Jenkins and GitLab read it: a test suite for each kernel, a test case for each
/// lab. "diverged" is a failure, what could not run or be judged an error.
std::string junit_report(const std::vector<LabResult>& results);
/// KTAP version 1 (Documentation/dev-tools/ktap.rst): a test for each lab, its chains below it.
std::string ktap_report(const std::vector<LabResult>& results);

std::string report(const std::vector<LabResult>& results, Format format);

}  // namespace skbtrail::labs::batch
