// A kernel's source tree on disk, read as far as it is asked for.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "labs/check/source/c_file.h"

namespace skbtrail::labs::source {

class SourceTree {
  public:
    /// `scope`: files and folders below `root` in which names are looked for; those that are not
    /// there are left out. Throws std::runtime_error when `root` is no kernel's source.
    SourceTree(std::filesystem::path root, const std::vector<std::string>& scope);

    /// The file, by its path below the root, parsed at most once; null when it is not there.
    const CFile* file(const std::string& path) const;

    /// The files of the scope in which `word` stands as a word, sorted.
    const std::vector<std::string>& files_with(const std::string& word) const;

    /// "6.12.95" as the tree's Makefile says; empty without one.
    const std::string& release() const { return release_; }
    std::size_t file_count() const { return texts_.size(); }

  private:
    const std::string* text(const std::string& path) const;

    std::filesystem::path root_;
    std::string release_;
    mutable std::map<std::string, std::string, std::less<>> texts_;
    mutable std::map<std::string, std::unique_ptr<CFile>, std::less<>> files_;
    mutable std::map<std::string, std::vector<std::string>, std::less<>> found_;
};

}  // namespace skbtrail::labs::source
