// Calls that say nothing about a packet's path: locks, memory, timers. They are named once, with
// the reason for each group, in noise.json.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace skbtrail::labs {

/// Globs (fnmatch) of one kind of noise.
struct NoiseGroup {
    std::string name;
    std::string reason;
    std::vector<std::string> calls;
};

/// Reads a noise document. Throws chain::FormatError.
std::vector<NoiseGroup> parse_noise(std::string_view json);

/// The groups of noise.json, which is part of the program.
const std::vector<NoiseGroup>& named_noise();

/// Tells noise from calls that matter, by name.
class NoiseFilter {
  public:
    /// `extra`: globs in addition to named_noise().
    explicit NoiseFilter(const std::vector<std::string>& extra = {});

    /// Whether `function`, with or without a compiler's suffix, is noise.
    bool is_noise(std::string_view function) const;

  private:
    std::vector<std::string> globs_;
};

}  // namespace skbtrail::labs
