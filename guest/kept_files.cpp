#include "guest/kept_files.h"

#include <algorithm>
#include <system_error>
#include <vector>

#include "guest/cache.h"

namespace skbtrail::guest {
namespace fs = std::filesystem;

namespace {

constexpr auto in_use = std::chrono::hours(1);

struct Kept {
    fs::path path;
    fs::file_time_type used;
    std::uintmax_t bytes = 0;
    bool half_written = false;  ///< a directory: somebody's draft
};

std::vector<Kept> all_in(const fs::path& directory) {
    std::vector<Kept> found;
    std::error_code error;
    for (const fs::directory_entry& entry : fs::directory_iterator(directory, error)) {
        // Another process may be removing the same.
        std::error_code gone;
        Kept kept{.path = entry.path(), .used = entry.last_write_time(gone)};
        kept.half_written = entry.is_directory(gone);
        kept.bytes = kept.half_written ? 0 : entry.file_size(gone);
        if (!gone) found.push_back(std::move(kept));
    }
    return found;
}

}  // namespace

bool KeptFiles::use(const std::string& name) const {
    std::error_code error;
    if (!fs::is_regular_file(path(name), error)) return false;
    // Should the disk be read-only, nothing is removed from it either.
    fs::last_write_time(path(name), fs::file_time_type::clock::now(), error);
    return true;
}

fs::path KeptFiles::keep(const std::string& name, std::string_view bytes) const {
    std::error_code error;  // write_file_atomically() gives the reason
    fs::create_directories(directory_, error);
    write_file_atomically(path(name), bytes);
    remove_unused();
    return path(name);
}

void KeptFiles::remove_unused() const {
    auto kept = all_in(directory_);
    std::sort(kept.begin(), kept.end(),
              [](const Kept& left, const Kept& right) { return left.used > right.used; });
    const auto now = fs::file_time_type::clock::now();
    std::uintmax_t bytes = 0;
    for (const Kept& file : kept) {
        bytes += file.bytes;
        const auto age = now - file.used;
        const bool goes =
            file.half_written || age > retention_.unused || bytes > retention_.most_bytes;
        if (age > in_use && goes) {
            std::error_code ignored;
            fs::remove_all(file.path, ignored);
        }
    }
}

}  // namespace skbtrail::guest
