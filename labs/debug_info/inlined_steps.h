// Names the functions between two calls of a recording that the compiler inlined, and the calls
// that it made jumps of, from the kernel's debug information.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "tracer/chain/recording.h"

namespace skbtrail::labs::debug_info {

/// What came of it.
struct InlinedSteps {
    std::size_t calls = 0;           ///< calls with inlined functions between them and their caller
    std::vector<std::string> notes;  ///< what could not be read, sentences for a person
};

/// Sets `inlined` and `tail_call` of the calls in `recording` from the debug information at `path`
/// (as find_debug_files() takes it).
///
/// The calls that a function's machine code makes are looked at: where all those to the same
/// function stand in the same inlined functions, these are between; where they differ, what they
/// have in common. A call through a pointer is left as it is, for nothing in the machine code says
/// which function it goes to.
///
/// Throws Error: there is none, or it is of another build of the kernel than the recording.
InlinedSteps name_inlined_steps(chain::Recording& recording, const std::filesystem::path& path);

}  // namespace skbtrail::labs::debug_info
