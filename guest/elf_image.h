// What skbtrail wants to know of an ELF file: a kernel, a module, a program.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace skbtrail::guest {

/// The notes of a kernel image.
struct KernelNotes {
    std::string build_id;    ///< lower-case hex; empty when there is none
    bool pvh_entry = false;  ///< it has XEN_ELFNOTE_PHYS32_ENTRY: QEMU can start it directly
    std::uint64_t end = 0;   ///< of the last segment, in bytes from the image's start
};

/// True when `image` begins as an ELF file does.
bool looks_like_elf(std::string_view image);

/// Reads the notes in the program headers of `image` (a stripped kernel has no sections). Nothing
/// when it is not a 64-bit ELF image for x86-64.
std::optional<KernelNotes> read_kernel_notes(std::string_view image);

/// A kernel image cut off behind its last segment, which is all of it that boots: the sections of
/// one with debug information are ten times as much. An image that is no 64-bit ELF file, as it is.
std::string without_sections(std::string_view image);

/// The .modinfo section of a module: "key=value" strings, each ended by a NUL. Nothing when the
/// image is not ELF or has no such section.
std::optional<std::string> read_modinfo(std::string_view image);

/// True when `file` is an ELF file with DWARF in it. Only its headers are read.
bool has_debug_info(const std::filesystem::path& file);

/// True when the program needs a dynamic loader, which a guest does not have.
bool needs_loader(std::string_view image);

}  // namespace skbtrail::guest
