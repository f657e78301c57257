#include "labs/runner/result_directory.h"

#include <ctime>
#include <system_error>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "guest/cache.h"
#include "guest/error.h"
#include "labs/runner/failure.h"

namespace skbtrail::labs {

namespace fs = std::filesystem;

ResultDirectory::ResultDirectory(const fs::path& path) {
    std::error_code error;
    fs::create_directories(path, error);
    if (error) {
        throw CannotRun(
            fmt::format("cannot make the result directory {}: {}. --output names "
                        "another place.",
                        path.string(), error.message()));
    }
    path_ = fs::canonical(path);
    for (const auto& file : {recording(), verdict(), result(), console(), nic_log(), capture(),
                             ring_events(), output(), qemu_log()}) {
        if (!fs::remove(file, error) && error) {
            throw CannotRun(fmt::format("cannot remove {} of an earlier run: {}", file.string(),
                                        error.message()));
        }
    }
}

void ResultDirectory::write(const fs::path& file, std::string_view content) const {
    try {
        guest::write_file_atomically(file, content);
    } catch (const guest::Error& error) {
        throw CannotRun(error.what());
    }
}

fs::path default_result_path(const std::string& lab, const std::string& release) {
    const auto now = std::time(nullptr);
    const auto base = fs::path("skbtrail-results") /
                      fmt::format("{}-{}-{:%Y%m%dT%H%M%S}", lab, release, fmt::gmtime(now));
    auto path = base;
    std::error_code error;
    for (unsigned number = 2; fs::exists(path, error); ++number) {
        path = fmt::format("{}-{}", base.string(), number);
    }
    return path;
}

}  // namespace skbtrail::labs
