// What belongs to one of Debian's kernels and is packaged beside it: its debug information, its
// source.
#pragma once

#include <filesystem>
#include <stop_token>
#include <string>
#include <vector>

#include "guest/kernel_store.h"

namespace skbtrail::guest {

/// The package that has it; its version is the kernel's.
std::string addition_package(const Kernel& kernel, Addition addition);

/// Unpacks `packages` below `tree` and returns the directory in it that is to be kept, without what
/// no packet meets: all of a kernel's debug information is 1.8 GB, all of its source 1.6. Throws
/// Error, std::filesystem::filesystem_error.
std::filesystem::path unpack_addition(Addition addition, const Kernel& kernel,
                                      const std::vector<std::filesystem::path>& packages,
                                      const std::filesystem::path& tree, std::stop_token stop);

}  // namespace skbtrail::guest
