// Why memory that a front end offered was not taken.
#pragma once

#include <cstdint>
#include <string>

namespace skbtrail::device {

enum class MemoryErrorKind : std::uint8_t {
    zero_size,      ///< a region of no bytes
    address_wraps,  ///< address + size, or offset + size, exceeds 64 bits
    overlaps,       ///< shares addresses with another region
    not_a_file,     ///< the descriptor is no regular file, or one that somebody else serves (FUSE)
    exceeds_file,   ///< the file is shorter than offset + size
    cannot_map,     ///< fstat or mmap failed
    too_many_regions,
    no_such_region,  ///< nothing to remove
};

struct MemoryError {
    MemoryErrorKind kind;
    std::string message;  ///< for a person, with the addresses
};

}  // namespace skbtrail::device
