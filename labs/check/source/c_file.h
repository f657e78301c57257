// What one file of the kernel's source says about calls: its functions and macros with what they
// call, and the places where a function is put into a member (tables, assignments).
//
// This is no C compiler. Every branch of every #if counts, types are not known, macros are not
// expanded: a macro is taken like a function that calls what its text names. What it claims is that
// such a call stands in such a body; whether it is ever reached is for a recording to show.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace skbtrail::labs::source {

/// A name in a function's body.
struct Use {
    enum class Kind : std::uint8_t {
        call,    ///< `name(`
        member,  ///< `->name` or `.name`, called or handed on
        handed,  ///< `name` among the arguments of `to(`
    };
    Kind kind = Kind::call;
    std::string name;
    std::string to;  ///< of `handed`: the innermost function or macro
    std::uint32_t line = 0;
};

struct Function {
    std::string name;  ///< SYSCALL_DEFINE3(connect, …) is "__x64_sys_connect"
    std::uint32_t line = 0;
    bool is_static = false;
    bool is_inline = false;
    bool is_macro = false;
    std::vector<Use> uses;
};

/// `.member = value` in an initializer, or `x->member = value;` or `variable = value;` in a body.
struct Registration {
    std::string type;    ///< "net_device_ops"; empty where the text does not say it
    std::string member;  ///< or the variable
    bool variable = false;
    std::string value;
    std::uint32_t line = 0;
};

struct CFile {
    std::vector<Function> functions;
    std::vector<Registration> registrations;

    /// Definitions of `name`: several where #if chooses between them.
    std::vector<const Function*> find(std::string_view name) const;
};

CFile parse_c_file(std::string_view source);

}  // namespace skbtrail::labs::source
