// Conditions on the system that was observed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "labs/check/expectation.h"
#include "tracer/chain/recording.h"

namespace skbtrail::labs {

/// The numbers at the start of a version: "6.12.38+deb12-cloud-amd64" → 6, 12, 38.
std::vector<unsigned> version_numbers(std::string_view text);

/// Whether conditions hold.
struct ConditionAnswer {
    enum class Truth : std::uint8_t {
        yes,
        no,
        unknown,  ///< the recording does not say
    };
    Truth truth = Truth::yes;
    std::string reason;  ///< of `no` and `unknown`: which condition, and what the recording says
};

/// Compares `when` with what `observed` says of the kernel and the interfaces. An option of the
/// kernel, or a feature, of which the recording says nothing makes the answer unknown.
ConditionAnswer holds(const Conditions& when, const chain::Observed& observed);

}  // namespace skbtrail::labs
