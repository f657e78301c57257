// Which packets are recorded.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tracer/filter/expression.h"

namespace skbtrail::tracer {

/// All that is asked for must be so; a 0 asks for nothing.
struct PacketFilter {
    std::optional<Expression> expression;
    std::uint32_t ifindex = 0;  ///< of the interface that the packet is at, some time on its way
    std::uint32_t netns = 0;    ///< inode number of the network namespace it is in
    /// Id of the control group (version 2) that the packet's socket is in, or in one below.
    std::uint64_t cgroup = 0;
    std::uint32_t cgroup_level = 0;  ///< how deep that one is below the top, which is 0
    std::uint32_t process = 0;       ///< that sends it, or takes it from its socket
    std::uint32_t packets = 0;       ///< so many, no more

    [[nodiscard]] bool active() const {
        return expression || ifindex != 0 || netns != 0 || cgroup != 0 || process != 0 ||
               packets != 0;
    }
};

/// A filter as a user writes it.
struct FilterText {
    std::string expression;  ///< pcap-filter(7)
    std::string interface;   ///< by name or number, of `netns` or of the collector's own namespace
    std::string netns;       ///< a name below /run/netns, a path, or the number of a process
    std::string cgroup;      ///< a path below the mount of cgroup2, or from /
    std::uint32_t process = 0;
    std::uint32_t packets = 0;
};

/// Looks up what the names stand for on this machine. Throws Failure for one that is not there.
PacketFilter resolve_filter(const FilterText& text);

}  // namespace skbtrail::tracer
