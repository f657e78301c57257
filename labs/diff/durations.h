// What the same calls took in two recordings, where that can be compared: on a clock that counts
// instructions.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "labs/diff/comparison.h"
#include "labs/diff/rules.h"
#include "tracer/chain/recording.h"

namespace skbtrail::labs::diff {

/// Nanoseconds for an instruction, if both recordings were taken by a clock that counts them, and
/// by the same one. On the host's clock a duration says more about the machine's other work.
std::optional<unsigned> common_instruction_clock(const chain::Recording& a,
                                                 const chain::Recording& b);

/// Gathers calls that were paired, and sums up.
class DurationMeter {
  public:
    /// Calls that wait are told by rules ("waits"). Both have to outlive this.
    DurationMeter(RuleBook& rules, NameTable& names) : rules_(rules), names_(names) {}

    /// The same call on both sides; one that several packets see counts once.
    void add(const chain::Call& a, const chain::Call& b);

    /// `nanoseconds_per_instruction` is only handed on.
    Durations sum_up(unsigned nanoseconds_per_instruction);

  private:
    bool same_work(const chain::Call& a, const chain::Call& b) const;
    bool waits(const chain::Call& call);

    RuleBook& rules_;
    NameTable& names_;
    std::map<const chain::Call*, const chain::Call*> pairs_;
    /// What waits() has found: calls are asked for once for each of those around them.
    std::unordered_map<const chain::Call*, bool> waits_;
};

}  // namespace skbtrail::labs::diff
