// Following packets through a story, and the names of what is in it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/unit/tracer/fixture.h"
#include "tracer/following/packets.h"

namespace skbtrail::tracer::test {

inline constexpr std::uint64_t head_a = 0xffff888000010000;
inline constexpr std::uint64_t head_b = 0xffff888000020000;
inline constexpr std::uint64_t head_c = 0xffff888000030000;
inline constexpr std::uint64_t skb_1 = 0xffff888000a00000;
inline constexpr std::uint64_t skb_2 = 0xffff888000a00100;
inline constexpr std::uint64_t skb_3 = 0xffff888000a00200;

using Ids = std::vector<chain::PacketId>;

struct Followed {
    Packets packets;
    Ids ids;  ///< of CPU 0's events in order
};

inline Followed follow(const Story& story, const FunctionTable& names,
                       const std::vector<std::string>& reasons) {
    std::map<unsigned, CpuMatch> matches;
    for (const auto& [cpu, one] : story.capture.cpus()) {
        matches.emplace(cpu, match_cpu(one, names, {}));
    }
    const auto forest = build_forest(story.capture, matches, names, {});
    Followed followed;
    followed.packets = follow_packets(story.capture, matches, forest, names, reasons);
    followed.ids = followed.packets.of_event.at(0);
    return followed;
}

/// The call releases the last reference to the head.
inline skbtrail_event last(skbtrail_event event) {
    event.flags |= SKBTRAIL_EVENT_LAST;
    return event;
}

inline skbtrail_event as_argument(skbtrail_event event, std::uint8_t argument) {
    event.argument = argument;
    return event;
}

/// With a plain value: a drop reason, a queue, the inode of a socket.
inline skbtrail_event with(skbtrail_event event, std::uint64_t value) {
    event.extra = value;
    return event;
}

}  // namespace skbtrail::tracer::test
