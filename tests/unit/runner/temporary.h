// A directory for one test.
#pragma once

#include <filesystem>
#include <fstream>
#include <string_view>

#include "guest/cache.h"

namespace skbtrail::labs {

/// Goes away with all in it.
class TemporaryDirectory {
  public:
    TemporaryDirectory() : scratch_(std::filesystem::temp_directory_path()) {}
    std::filesystem::path operator/(const std::filesystem::path& name) const {
        return scratch_.path() / name;
    }
    const std::filesystem::path& path() const { return scratch_.path(); }

    /// Writes a file of it, with the folders it is in.
    std::filesystem::path write(const std::filesystem::path& name, std::string_view text) const {
        const auto file = scratch_.path() / name;
        std::filesystem::create_directories(file.parent_path());
        std::ofstream(file) << text;
        return file;
    }
    /// Writes a shell script that can be run.
    std::filesystem::path script(const std::filesystem::path& name, std::string_view text) const {
        const auto file = write(name, std::string("#!/bin/sh\n") + std::string(text));
        std::filesystem::permissions(file, std::filesystem::perms::owner_all);
        return file;
    }

  private:
    guest::ScratchDirectory scratch_;
};

}  // namespace skbtrail::labs
