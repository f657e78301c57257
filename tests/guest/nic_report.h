// What skbtrail-nic says it has carried, when a front end has left.
#pragma once

#include <cstdint>
#include <string>

namespace skbtrail::tests {

/// Sums over the queues of a kind.
struct QueueReport {
    unsigned queues = 0;
    std::uint64_t frames = 0;
    std::uint64_t dropped = 0;
};

struct NicReport {
    QueueReport receive;
    QueueReport transmit;
    std::uint64_t wire_from_guest = 0;  ///< frames that the wire was given
    std::uint64_t wire_to_guest = 0;    ///< and that it gave
    std::uint64_t wire_dropped = 0;     ///< both directions
    std::uint64_t wire_waiting = 0;
};

/// The last report in a log of skbtrail-nic. All zero when there is none.
NicReport last_report(const std::string& log);

}  // namespace skbtrail::tests
