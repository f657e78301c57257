#include "labs/runner/result_directory.h"

#include <ctime>
#include <system_error>
#include <vector>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "guest/cache.h"
#include "guest/error.h"
#include "labs/runner/failure.h"
#include "labs/runner/lab.h"

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
    std::vector files{recording(), verdict(), result(), console(), output(), qemu_log()};
    for (std::size_t nic = 0; nic < most_nics; ++nic) {
        files.insert(files.end(), {nic_log(nic), capture(nic), ring_events(nic)});
    }
    for (const auto& file : files) {
        if (!fs::remove(file, error) && error) {
            throw CannotRun(fmt::format("cannot remove {} of an earlier run: {}", file.string(),
                                        error.message()));
        }
    }
}

fs::path ResultDirectory::of_nic(std::size_t nic, std::string_view stem,
                                 std::string_view extension) const {
    const auto number = nic == 0 ? std::string() : fmt::format("-{}", nic);
    return path_ / fmt::format("{}{}{}", stem, number, extension);
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
