// Where the debug information of a kernel and its modules is.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>

namespace skbtrail::labs::debug_info {

/// The files of one kernel that have DWARF in them.
struct DebugFiles {
    std::filesystem::path kernel;  ///< vmlinux
    /// Of the modules that were asked for, by name ("virtio_net"), those that are there.
    std::map<std::string, std::filesystem::path> modules;
};

/// Looks for them at `path`: the tree that the kernel was built in, its vmlinux, or a place that a
/// -dbg package was unpacked in (usr/lib/debug/boot/vmlinux-RELEASE, and modules below
/// usr/lib/debug/lib/modules/RELEASE). Throws Error when there is no vmlinux.
DebugFiles find_debug_files(const std::filesystem::path& path, const std::string& release,
                            const std::set<std::string>& modules);

}  // namespace skbtrail::labs::debug_info
