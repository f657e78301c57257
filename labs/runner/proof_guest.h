// The image of the tiny guest in proof_guest.S, part of the program.
#pragma once

#include <string_view>

namespace skbtrail::labs {

/// The bytes of an ELF file with a PVH entry, for QEMU's -kernel.
std::string_view proof_guest_image();

}  // namespace skbtrail::labs
