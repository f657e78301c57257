// What an expectation can say of the sk_buff that a call is given: where its pointers stand, and
// how much it holds.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tracer/chain/recording.h"

namespace skbtrail::labs {

/// The names of what can be said, in the order in which they are shown.
std::vector<std::string_view> skb_value_names();

/// One value of an sk_buff; 0 for a name that skb_value_names() does not have, and for what was not
/// recorded.
std::int64_t skb_value(const chain::SkbGeometry& skb, std::string_view name);

/// Changes one value of an sk_buff to another that it did not have; does nothing for a name that
/// skb_value_names() does not have.
void change_skb_value(chain::SkbGeometry& skb, std::string_view name);

/// Whether the sk_buff has all of `wanted`.
bool has_values(const chain::SkbGeometry& skb, const std::map<std::string, std::int64_t>& wanted);

/// "data 18, len 48": what the sk_buff has for the names of `wanted`; without one, what is wanted.
std::string values_text(const std::map<std::string, std::int64_t>& wanted,
                        const chain::SkbGeometry* skb = nullptr);

}  // namespace skbtrail::labs
