#include "labs/runner/data_files.h"

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <system_error>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include "labs/runner/failure.h"
#include "tracer/chain/text.h"

namespace skbtrail::labs {
namespace {

namespace fs = std::filesystem;

/// A line of a log, without the carriage return of a console.
std::string as_read(const std::string& line) {
    const auto clean = chain::printable(line);
    return clean.substr(0, clean.find_last_not_of(' ') + 1);
}

}  // namespace

fs::path program_directory() {
    std::error_code error;
    const auto self = fs::read_symlink("/proc/self/exe", error);
    return error ? fs::path(".") : self.parent_path();
}

std::vector<fs::path> data_directories() {
    std::vector<fs::path> directories;
    if (const char* named = std::getenv("SKBTRAIL_DATA"); named != nullptr && *named != '\0') {
        directories.emplace_back(named);
    }
    directories.push_back((program_directory() / "../share/skbtrail").lexically_normal());
    directories.emplace_back(SKBTRAIL_SOURCE_DIRECTORY);
    return directories;
}

fs::path find_data(const fs::path& relative) {
    std::vector<std::string> tried;
    for (const auto& directory : data_directories()) {
        auto candidate = directory / relative;
        std::error_code error;
        if (fs::exists(candidate, error)) {
            return fs::absolute(candidate);
        }
        tried.push_back(candidate.string());
    }
    throw CannotRun(
        fmt::format("{} is missing from this installation (looked at {}). Set SKBTRAIL_DATA to the "
                    "folder that holds it, or install again.",
                    relative.string(), fmt::join(tried, ", ")));
}

std::optional<fs::path> find_program(const std::string& name) {
    std::vector<fs::path> directories{program_directory()};
    if (const char* path = std::getenv("PATH"); path != nullptr) {
        std::istringstream stream(path);
        for (std::string directory; std::getline(stream, directory, ':');) {
            directories.emplace_back(directory.empty() ? "." : directory);
        }
    }
    for (const auto& directory : directories) {
        auto candidate = directory / name;
        std::error_code error;
        if (fs::is_regular_file(candidate, error) && ::access(candidate.c_str(), X_OK) == 0) {
            return fs::absolute(candidate);
        }
    }
    return std::nullopt;
}

std::vector<std::string> last_lines(const fs::path& path, std::size_t lines) {
    constexpr std::streamoff window = std::streamoff{64} * 1024;
    std::ifstream stream(path, std::ios::binary | std::ios::ate);
    if (!stream) {
        return {};
    }
    const std::streamoff size = stream.tellg();
    stream.seekg(size > window ? size - window : 0);
    std::vector<std::string> kept;
    for (std::string line; std::getline(stream, line);) {
        auto clean = as_read(line);
        if (!clean.empty()) {
            kept.push_back(std::move(clean));
        }
    }
    if (kept.size() > lines) {
        kept.erase(kept.begin(), kept.end() - static_cast<std::ptrdiff_t>(lines));
    }
    return kept;
}

}  // namespace skbtrail::labs
