// A directory for one test.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "tests/unit/guest/temporary.h"

namespace skbtrail::labs {

/// Goes away with all in it.
class TemporaryDirectory : public guest::TemporaryDirectory {
  public:
    /// Writes a file of it, with the folders it is in.
    std::filesystem::path write(const std::filesystem::path& name, std::string_view text) const {
        const auto file = path() / name;
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
};

}  // namespace skbtrail::labs
