// Kernel images as users and packages have them, and the one form that boots here: the uncompressed
// ELF image, entered through its PVH entry point. QEMU starts that a second sooner than the bzImage
// (no decompressor runs under emulation).
#pragma once

#include <string>
#include <string_view>

namespace skbtrail::guest {

/// A kernel that QEMU can start.
struct BootImage {
    std::string vmlinux;   ///< the ELF image
    std::string release;   ///< as uname -r will have it
    std::string build_id;  ///< lower-case hex; empty when the kernel has none
};

/// Takes a bzImage (its payload is decompressed: Documentation/arch/x86/boot.rst, payload_offset)
/// or a vmlinux. `what` names the file in messages. Throws Error when it is neither, is damaged, or
/// has no PVH entry.
BootImage read_boot_image(std::string_view file, const std::string& what);

}  // namespace skbtrail::guest
