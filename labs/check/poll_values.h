// What an expectation can say of a poll: how many packets it may receive, and how many it received.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tracer/chain/recording.h"

namespace skbtrail::labs {

/// The names of what can be said, in the order in which they are shown.
std::vector<std::string_view> poll_value_names();

/// Whether the call has all of `wanted`. What was not recorded is none of it.
bool has_poll_values(const chain::Call& call, const std::map<std::string, std::uint32_t>& wanted);

/// Changes one value of a call to another that it did not have; does nothing for a name that
/// poll_value_names() does not have, and for what was not recorded.
void change_poll_value(chain::Call& call, std::string_view name);

/// "budget 64, work 12": of `wanted`.
std::string poll_values_text(const std::map<std::string, std::uint32_t>& wanted);

/// What the call has of them, in the same form; empty where it is no poll's.
std::string poll_values_text(const chain::Call& call);

}  // namespace skbtrail::labs
