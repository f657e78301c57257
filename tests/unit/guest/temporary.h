// A directory for one test.
#pragma once

#include <filesystem>

#include "guest/cache.h"

namespace skbtrail::guest {

/// Goes away with all in it.
class TemporaryDirectory {
  public:
    TemporaryDirectory() : scratch_(std::filesystem::temp_directory_path()) {}
    std::filesystem::path operator/(const std::filesystem::path& name) const {
        return scratch_.path() / name;
    }
    const std::filesystem::path& path() const { return scratch_.path(); }

  private:
    ScratchDirectory scratch_;
};

}  // namespace skbtrail::guest
