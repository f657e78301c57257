// What is recorded of an sk_buff beside its four pointers and its length.
#pragma once

#include <string>
#include <vector>

#include "tracer/chain/recording.h"

namespace skbtrail::labs {

/// "mac 64", "dev eth0", "users 2", … of `skb`: what differs from `before`, where the packet was
/// seen last, or, without it, all that is set. What is no longer so is named, too: "sock none".
std::vector<std::string> skb_details(const chain::SkbGeometry& skb,
                                     const chain::SkbGeometry* before,
                                     const chain::Observed& observed);

}  // namespace skbtrail::labs
