// What the kernel itself records of its boot, before there is anybody in the guest who could ask
// for it: ftrace's parameters on the kernel's command line.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace skbtrail::labs {

/// "boot_trace" of a lab.json.
struct BootTrace {
    std::vector<std::string> roots;      ///< the functions whose calls are recorded, a chain each
    std::vector<std::string> functions;  ///< globs of the functions that they may show, too
};

/// Most functions of the boot whose calls are recorded.
inline constexpr std::size_t most_boot_trace_roots = 4;

/// Most characters of the globs together: the command line of a kernel ends after 2,048.
inline constexpr std::size_t most_boot_trace_characters = 1400;

/// The parameters that make the kernel record, for its command line.
std::string boot_trace_parameters(const BootTrace& trace);

}  // namespace skbtrail::labs
