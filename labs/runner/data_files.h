// The files that skbtrail ships beside its programs: labs, domain templates, the noise list.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace skbtrail::labs {

/// Folders that can hold shipped data, first the one that wins: $SKBTRAIL_DATA, the share folder
/// beside the program (an installation), the source tree that the program was built from.
std::vector<std::filesystem::path> data_directories();

/// Absolute path of the shipped file or folder `relative`. Throws CannotRun, naming the places
/// that were looked at, when there is none.
std::filesystem::path find_data(const std::filesystem::path& relative);

/// Folder of the running program.
std::filesystem::path program_directory();

/// Looks for a program of ours: beside the running one, then in PATH.
std::optional<std::filesystem::path> find_program(const std::string& name);

/// The last `lines` lines of a text file, without control characters that a terminal would act
/// upon; empty when there is none. Reads at most the last 64 KiB.
std::vector<std::string> last_lines(const std::filesystem::path& path, std::size_t lines);

}  // namespace skbtrail::labs
