#include "labs/runner/boot_trace.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace skbtrail::labs {

std::string boot_trace_parameters(const BootTrace& trace) {
    // The filter is more than economy: without it every function of the kernel is patched and the
    // boot takes four times as long, and a root stands so deep in the tree that 6.12 does not
    // notice its return, and records for the rest of the boot. nooverwrite: the beginning is what
    // was asked for.
    return fmt::format(
        "ftrace=function_graph ftrace_graph_filter={0} ftrace_filter={0},{1} trace_buf_size=4M "
        "trace_options=nooverwrite trace_clock=mono",
        fmt::join(trace.roots, ","), fmt::join(trace.functions, ","));
}

}  // namespace skbtrail::labs
