// What the kernel recorded of its boot, before anybody could ask for it: ftrace=function_graph and
// ftrace_graph_filter=FUNCTION on its command line.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tracer/capture.h"
#include "tracer/chain/recording.h"
#include "tracer/ftrace/format.h"
#include "tracer/ftrace/functions.h"
#include "tracer/ftrace/trace_buffer.h"
#include "tracer/function_table.h"

namespace skbtrail::tracer {

/// The trace as it was found.
struct BootTrace {
    Capture capture{std::size_t{64} << 20U};
    std::vector<CpuStats> stats;
    std::vector<std::string> roots;   ///< functions whose calls were recorded
    std::vector<std::string> traced;  ///< those that could be shown; functions of the boot are gone
};

/// Ends the trace of the boot, takes it, and leaves the machine's trace buffer at rest. Throws
/// Failure when the kernel did not trace its boot so, or of no function in particular.
BootTrace take_boot_trace(const std::string& tracefs, const GraphDecoder& decoder);

/// The functions that the records name, told by their addresses: the list of traceable functions
/// has lost those of the boot, the symbols keep them. Those of `roots` begin chains.
FunctionTable functions_of_boot(const Capture& capture, const KernelSymbols& symbols,
                                const std::vector<std::string>& roots);

/// Puts what the boot did in front of a recording's chains, which are numbered anew, and its
/// losses, of kinds of their own, behind the others.
void add_boot(const BootTrace& boot, const FunctionTable& functions, chain::Recording& recording);

/// The names in a list of functions of tracefs; none for a list that says that it is empty.
std::vector<std::string> listed_functions(std::string_view text);

}  // namespace skbtrail::tracer
