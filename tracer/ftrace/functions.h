// The functions that ftrace can trace, and where the kernel's symbols are.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace skbtrail::tracer {

/// One line of available_filter_functions_addrs.
struct TraceableFunction {
    std::uint32_t record = 0;  ///< line number from 1: what set_ftrace_filter takes as an index
    std::uint64_t site = 0;    ///< address of the patched call, which trace records name
    std::string name;          ///< with the compiler's suffix
    std::string module;        ///< empty: the kernel's own text
};

/// Parses the text of available_filter_functions_addrs ("ffffffff81000010 name [module]" a line).
/// A line that is not of this form keeps its number and is left out.
std::vector<TraceableFunction> parse_traceable_functions(std::string_view text);

/// Parses the text of available_filter_functions ("name [module]" a line), which has no addresses:
/// before Linux 6.5. `kallsyms` gives them: a site is then the start of the function, which may lie
/// a landing pad before the patched call.
///
/// A name that several functions have is resolved by the list's order, which is that of addresses;
/// where that leaves a choice, the function gets no site (0).
std::vector<TraceableFunction> parse_traceable_names(std::string_view text,
                                                     std::string_view kallsyms);

/// A module as /proc/modules lists it.
struct Module {
    std::string name;
    std::uint64_t size = 0;
    std::uint64_t address = 0;  ///< start of its text; 0 when the kernel hides addresses
};

/// Parses /proc/modules, in the order of the file.
std::vector<Module> parse_modules(std::string_view text);

/// Symbols of functions by address, read from /proc/kallsyms.
class KernelSymbols {
  public:
    /// Parses the whole text of /proc/kallsyms.
    explicit KernelSymbols(std::string_view kallsyms);

    /// Where the function begins whose patched call is at `site`: right there, or a few bytes
    /// before it where the function begins with a landing pad (endbr64). 0: no such symbol.
    [[nodiscard]] std::uint64_t function_at(std::uint64_t site, std::string_view name) const;

    struct Symbol {
        std::uint64_t address = 0;
        std::string_view name;  ///< of the text that was parsed
    };
    /// The function whose patched call is at `site`, whatever it is called: of several names the
    /// shortest. Nothing: there is no such symbol.
    [[nodiscard]] std::optional<Symbol> symbol_at(std::uint64_t site) const;

    /// The address of a symbol of the kernel itself; 0: not there, or hidden.
    [[nodiscard]] std::uint64_t address_of(std::string_view name) const;

    /// True when every address reads as 0: kernel.kptr_restrict hides them.
    [[nodiscard]] bool hidden() const { return hidden_; }

  private:
    std::unordered_multimap<std::uint64_t, std::string_view> by_address_;
    std::string_view text_;
    bool hidden_ = true;
};

/// The address of `name` in the text of /proc/kallsyms, reading no further than to it; 0: none.
std::uint64_t find_symbol(std::string_view kallsyms, std::string_view name);

/// The address of _stext, the start of the kernel's text: reads /proc/kallsyms up to there, which
/// is quick. 0 when hidden.
std::uint64_t read_text_start();

/// `name` without what the compiler appended (.isra.0, .constprop.0, .part.0, .cold).
std::string_view without_suffix(std::string_view name);

}  // namespace skbtrail::tracer
