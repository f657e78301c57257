// The calls that a compiled function makes, and which inlined functions they stand in.
#pragma once

#include <string>
#include <vector>

#include <elfutils/libdw.h>

namespace skbtrail::labs::debug_info {

/// One call instruction of a function (or the jump that a last call became).
struct CompiledCall {
    /// As the source names it, without what a compiler appends; empty: through a pointer.
    std::string callee;
    /// The inlined functions that the instruction stands in, outermost first.
    std::vector<std::string> inlined;
    bool tail_call = false;  ///< a jump: the caller has nothing left to do
};

/// All calls of the function `function`, a DW_TAG_subprogram with code, in no order (DWARF 5, 3.4).
/// A compiler that writes no DW_TAG_call_site tells of none.
std::vector<CompiledCall> compiled_calls(Dwarf_Die function);

}  // namespace skbtrail::labs::debug_info
