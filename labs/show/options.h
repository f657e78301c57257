// How to show things.
#pragma once

#include <optional>

#include "tracer/chain/recording.h"

namespace skbtrail::labs::source {
class Places;
}

namespace skbtrail::labs {

struct ShowOptions {
    bool colour = false;
    unsigned width = 100;  ///< columns that there are: for wrapping sentences and placing columns
    bool fold = true;      ///< leave out noise and what is below calls without a packet; says so
    bool geometry = true;  ///< where head, data, tail and end stand
    /// What else is recorded of an sk_buff, below the call that is given it: what changed.
    bool skb_details = false;
    /// Only the branches that handle this packet.
    std::optional<chain::PacketId> packet;
    /// Where functions are defined, to be shown beside each call; null: not. Has to outlive it.
    const source::Places* places = nullptr;
};

/// Options for the terminal or file behind `descriptor`: colour on a terminal only, and not where
/// NO_COLOR is set (https://no-color.org) or TERM is "dumb"; the terminal's width.
ShowOptions terminal_options(int descriptor);

}  // namespace skbtrail::labs
