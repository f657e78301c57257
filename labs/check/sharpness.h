// How sharp an expectation is: how much of what it requires it really notices.
//
// In a recording that passes, every call that stands for a required step is removed, renamed, moved
// to another parent and swapped with its neighbour, one change at a time; where the step says how
// the packet's sk_buff stands, or what a poll may do and did, each of those values is made another
// one; a kick or a call by which a packet is asked for comes the other way, made or suppressed; and
// a chain of which the processor is expected runs on another. A sharp expectation fails each time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "labs/check/expectation.h"
#include "tracer/chain/recording.h"

namespace skbtrail::labs {

enum class Mutation : std::uint8_t { removed, renamed, moved, swapped, altered, elsewhere };

/// "removed", "renamed", "moved", "swapped", "altered" (a value of the sk_buff or of a poll, or a
/// kick or a call), "elsewhere" (on another processor).
std::string_view mutation_name(Mutation mutation);

/// A change that the check did not notice.
struct Survivor {
    Mutation mutation = Mutation::removed;
    std::string chain;  ///< the expected chain's name
    chain::ChainId recorded = 0;
    std::vector<std::string> path;  ///< from the root to the changed call, as recorded
};

struct Sharpness {
    std::size_t required = 0;  ///< calls that stand for required steps
    std::size_t tried = 0;     ///< changes: not every call has a neighbour, or an sk_buff
    std::vector<Survivor> survivors;

    /// Noticed changes of those tried, 0 to 1; 0 when there was nothing to try.
    double score() const;
};

/// Measures `expectation` on `recording`. Throws std::invalid_argument when it does not pass there:
/// then nothing can be measured.
Sharpness measure_sharpness(const chain::Recording& recording, const Expectation& expectation);

}  // namespace skbtrail::labs
