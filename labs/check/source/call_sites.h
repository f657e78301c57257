// Does one function call another, as the source has it?
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "labs/check/source/tables.h"
#include "labs/check/source/tree.h"

namespace skbtrail::labs::source {

/// A function and the file that defines it.
struct Definition {
    std::string file;
    const Function* function = nullptr;
};

/// Where a call was found.
struct CallSite {
    enum class Kind : std::uint8_t {
        direct,   ///< the callee's name stands in the caller's body
        inlined,  ///< it does in an inline function, a macro or a neighbour that the body calls
        table,    ///< the body calls through a member that the callee is put into
    };
    Kind kind = Kind::direct;
    std::string file;
    std::uint32_t line = 0;
    std::vector<std::string> through;  ///< functions and macros between caller and callee
    std::string table;                 ///< "net_device_ops.ndo_start_xmit, net/…:123"
};

class CallSites {
  public:
    /// Both have to outlive this.
    CallSites(const SourceTree& tree, const CallTables& tables) : tree_(tree), tables_(tables) {}

    /// The definitions of `name`: those in `file`, or, when it is empty, all in the tree's scope.
    std::vector<Definition> definitions(const std::string& name, const std::string& file) const;

    /// A call of `callee` (all definitions of one name) in `caller`'s body, or in what a compiler
    /// may put there.
    std::optional<CallSite> find(const Definition& caller,
                                 const std::vector<Definition>& callee) const;

  private:
    struct Slot {
        std::string member;
        bool parameter = false;  ///< called by its name
        std::string text;
        std::string macro;  ///< calls it, too, when it is handed the member's name; a glob
    };
    struct Target;

    std::vector<Slot> slots(const std::vector<Definition>& callee) const;
    std::optional<CallSite> site_in(const Definition& caller, const Target& target) const;
    std::vector<Target> wrappers(const Target& target, const std::string& caller_file) const;

    const SourceTree& tree_;
    const CallTables& tables_;
};

}  // namespace skbtrail::labs::source
