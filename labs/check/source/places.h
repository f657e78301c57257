// Where the functions of a recording are defined: for each call the file and line to read.
#pragma once

#include <string>

#include "labs/check/source/call_sites.h"

namespace skbtrail::labs::source {

/// A place in the source; `file` is empty when it is not known.
struct Place {
    std::string file;  ///< below the tree's root
    std::uint32_t line = 0;
};

class Places {
  public:
    /// Both have to outlive this.
    Places(const SourceTree& tree, const CallTables& tables) : sites_(tree, tables) {}

    /// Where `function` is defined, a name as a recording has it, with what a compiler puts behind.
    /// `module` is the module that it is in (empty: the kernel itself), `caller_file` the file of
    /// who called it (empty: not known): of several functions of one name it is the one in the same
    /// file, or in the module's, or the only one that is no inline function. A place that is one of
    /// several all the same, or outside the tables' scope, is not known.
    Place of(const std::string& function, const std::string& module,
             const std::string& caller_file) const;

  private:
    CallSites sites_;
};

}  // namespace skbtrail::labs::source
