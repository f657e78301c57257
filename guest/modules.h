// Which files a guest must load, in which order, to have a module.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace skbtrail::guest {

/// A module of a kernel, uncompressed.
struct Module {
    std::string name;   ///< with '_' throughout: "virtio_net"
    std::string image;  ///< the ELF file's bytes
};

/// The modules below one directory: an installation (lib/modules/RELEASE) or a build tree. What
/// depends on what is read from the modules themselves, as Debian's packages carry no modules.dep.
class ModuleTree {
  public:
    /// Looks through `directory`; empty: a kernel without modules. Throws Error when it cannot be
    /// read.
    explicit ModuleTree(const std::filesystem::path& directory);

    /// The modules `wanted`, with all they depend on, each once, dependencies first. One that is
    /// built into the kernel is left out. Throws Error for one that does not exist.
    std::vector<Module> closure(const std::vector<std::string>& wanted) const;

    /// True when the tree has the module as a file or names it as built in.
    bool knows(const std::string& name) const;

  private:
    void visit(const std::string& name, const std::string& wanted_by, std::set<std::string>& seen,
               std::vector<Module>& order) const;

    std::filesystem::path directory_;
    std::map<std::string, std::filesystem::path> files_;
    std::set<std::string> builtin_;
};

}  // namespace skbtrail::guest
