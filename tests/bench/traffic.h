// The frames that a pair of front end and back end is measured with.
#pragma once

#include <filesystem>
#include <string>

namespace skbtrail::bench {

/// Lengths without FCS.
struct Traffic {
    std::string name;
    unsigned length = 64;  ///< of every frame, unless mixed
    bool mixed = false;    ///< the simple IMIX: 64, 590 and 1514 bytes as 7 to 4 to 1
};

/// From the front end's side: it sends, it receives, or both with the same frames.
enum class Direction { transmit, receive, reflect };

std::string name_of(Direction direction);

/// Writes a capture file of one IMIX cycle, in the order in which the wire `generate,size=imix`
/// sends it. Throws std::runtime_error when it cannot.
void write_imix(const std::filesystem::path& file);

}  // namespace skbtrail::bench
