// A kernel of the user's own, wherever a build or an installation leaves its parts.
#pragma once

#include <filesystem>
#include <string>

#include "guest/boot_image.h"

namespace skbtrail::guest {

struct OwnBuild {
    std::filesystem::path image;    ///< the bzImage or vmlinux that was taken
    BootImage boot;                 ///< what it holds
    bool packed = false;            ///< the image is not itself what boots
    std::filesystem::path modules;  ///< empty when none was found (all built in, perhaps)
    std::filesystem::path config;   ///< empty when none was found
    /// The vmlinux with debug information, in the tree that it was built in; empty when there is
    /// none.
    std::filesystem::path debug_info;
};

/// Finds the parts of "PATH" or "PATH,modules=DIR". PATH is a bzImage or a vmlinux; or a tree that
/// a kernel was built in (O=… too), whose arch/x86/boot/bzImage is taken unless its vmlinux is
/// newer; or one that it was installed in, with one boot/vmlinuz-RELEASE. Without DIR the modules
/// are looked for where the image is, as the build or the installation has them, then in
/// /lib/modules/RELEASE. Throws Error: nothing is there, what is there boots nowhere, or it cannot
/// be told which one is meant.
OwnBuild find_own_build(const std::string& spec);

/// Copies the modules below `tree` (which may be all that a kernel was built in) to `place`, with
/// the lists that say what is built in, and without their debug information, which a guest would
/// have to hold in memory. Throws std::filesystem::filesystem_error.
void copy_modules(const std::filesystem::path& tree, const std::filesystem::path& place);

}  // namespace skbtrail::guest
