// A change to a guest's kernel, made behind a lab's own preparations and before what is recorded: a
// module that is loaded, a rule, a BPF program. Whoever changes the kernel asks what it does to a
// packet's path; `skbtrail diff LAB --change PATH` answers.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "labs/runner/lab.h"

namespace skbtrail::labs {

/// Reads the change at `path`:
/// - a folder with a change.sh, which the guest runs; its other files are beside it there, in
///   /change, its NAME.bpf.c compiled; a change.json names the kernel's modules and the programs
///   of the host that it needs;
/// - a script;
/// - a module (*.ko), which the guest loads.
/// Throws CannotRun, or chain::FormatError with the file's name.
LabChange load_change(const std::filesystem::path& path);

/// Reads the text of a change.json into `change`. Throws chain::FormatError.
void parse_change(std::string_view json, LabChange& change);

/// The lab with the change as one step more, before the recorded one. Throws CannotRun when the lab
/// has a step of that name already.
Lab with_change(Lab lab, LabChange change);

}  // namespace skbtrail::labs
