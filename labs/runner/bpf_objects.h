// A lab's BPF programs, compiled for its guest.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "guest/initramfs.h"

namespace skbtrail::labs {

/// Compiles each NAME.bpf.c of `folder` for the BPF machine and returns the objects, kept in
/// `cache`, as the guest gets them in its folder `place`: /lab/NAME.bpf.o. None when there is no
/// such file. Throws CannotRun: there is no clang, or the program is wrong (with what clang says of
/// it).
std::vector<guest::GuestFile> bpf_objects(const std::filesystem::path& folder,
                                          const std::filesystem::path& cache,
                                          const std::string& place = "/lab");

}  // namespace skbtrail::labs
