// How functions are called through pointers: which members of which structs are tables of
// functions, and which macros call what they are handed. Named once, in tables.json.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace skbtrail::labs::source {

/// Members of a struct that functions are put into.
struct CallTable {
    std::string type;    ///< the struct; empty: `member` is a parameter, called by its name
    std::string member;  ///< a glob; of a parameter, its name
    /// Other members that the pointer is kept in, too, and called through.
    std::vector<std::string> aliases;
    std::string variable;   ///< a variable that the pointer is copied to, and called by; or empty
    bool assigned = false;  ///< filled by `x->member = function` as well as by an initializer
    std::string macro;  ///< that calls the member that it is given the name of, a glob; or empty
    std::string handed_to;  ///< filled by handing the function to this function, a glob; or empty
    std::string about;
};

/// A function or macro that calls what it is handed.
struct HandOver {
    std::string to;  ///< a glob
    std::string reason;
};

struct CallTables {
    std::vector<std::string> scope;  ///< where in a source tree names are looked for
    std::vector<HandOver> hand_over;
    std::vector<CallTable> tables;

    bool hands_over(std::string_view to) const;
};

/// Reads a document of tables. Throws chain::FormatError.
CallTables parse_call_tables(std::string_view json);

/// tables.json, which is part of the program.
const CallTables& named_call_tables();

}  // namespace skbtrail::labs::source
