// Files of the cache that can be made again: kept while they are used, and no longer.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace skbtrail::guest {

/// How long files that can be made again are kept.
struct Retention {
    std::chrono::hours unused{24 * 30};              ///< one that nobody used for so long goes
    std::uintmax_t most_bytes = UINTMAX_C(1) << 30;  ///< then the least recently used, down to this
};

/// The files of one directory of the cache. Several processes may use one directory at once: what
/// somebody used within the last hour is not removed, however much there is, because he may only
/// be about to read it.
class KeptFiles {
  public:
    KeptFiles(std::filesystem::path directory, Retention retention)
        : directory_(std::move(directory)), retention_(retention) {}

    /// Where the file called `name` is, or would be.
    std::filesystem::path path(const std::string& name) const { return directory_ / name; }

    /// Whether `name` is there. If so, it is used now.
    bool use(const std::string& name) const;

    /// Writes `name`, whole or not at all, and removes what has not been used for long, and what
    /// killed processes left half written. Throws Error when it cannot be written; that something
    /// cannot be removed does no harm.
    std::filesystem::path keep(const std::string& name, std::string_view bytes) const;

  private:
    void remove_unused() const;

    std::filesystem::path directory_;
    Retention retention_;
};

}  // namespace skbtrail::guest
