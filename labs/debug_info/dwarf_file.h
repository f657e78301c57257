// One ELF file with DWARF in it, opened: a vmlinux, or a module, which is relocatable.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <elfutils/libdwfl.h>

namespace skbtrail::labs::debug_info {

/// The file, with its sections as if they were loaded somewhere. Every DIE that is taken from it
/// belongs to it.
class DwarfFile {
  public:
    /// Throws Error: it cannot be opened, or has no DWARF.
    explicit DwarfFile(const std::filesystem::path& path);

    /// In lower-case hex; empty when it has none.
    std::string build_id() const;

    /// The DIEs of the functions that these symbols are, by symbol; as many as have the name.
    std::unordered_map<std::string, std::vector<Dwarf_Die>> functions(
        const std::unordered_set<std::string>& symbols) const;

  private:
    struct End {
        void operator()(Dwfl* dwfl) const { dwfl_end(dwfl); }
    };

    std::unique_ptr<Dwfl, End> dwfl_;
    Dwfl_Module* module_ = nullptr;  ///< dwfl_'s
};

}  // namespace skbtrail::labs::debug_info
