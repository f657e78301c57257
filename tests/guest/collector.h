// A recording by the collector in a guest, of which nothing is missing.
#pragma once

#include <string>

#include "tests/guest/agent.h"

namespace skbtrail::tests {

/// The collector with a plan that is made once, and its status on standard error.
inline constexpr const char* collect =
    "skbtrail-collect --plan /run/plan --save-plan /run/plan --status-fd 2";

/// Runs `command`, which leaves its recording in `file`, until nothing was lost, three times at
/// most; before each, `before`. It is done again only where what was lost are sk_buffs that the
/// kernel did not show: about once in a thousand pings an interrupt comes in the middle of the BPF
/// program, and the kernel does not call the program for what the interrupt receives (6.12,
/// bpf_prog_active). Anything else that was lost is returned as it is.
Outcome record_all(Agent& agent, const std::string& command, const std::string& file,
                   const std::string& before = "");

/// True for a line of losses_in() that tells of what record_all() tries again for.
bool is_hidden(const std::string& loss);

/// What was lost in the recording in `file`, of either format: a line each; empty: nothing.
std::string losses_in(Agent& agent, const std::string& file);

}  // namespace skbtrail::tests
