#include "labs/show/descriptors.h"

#include <iterator>

#include <fmt/format.h>

namespace skbtrail::labs {

std::vector<std::string> descriptor_lines(const chain::Recording& recording, chain::PacketId packet,
                                          RingDirection direction) {
    std::vector<std::string> lines;
    for (const chain::RingEvent& event : recording.ring_events) {
        // virtio 1.2, 5.1.2: receiveq1 is queue 0, transmitq1 queue 1, and so on in turn.
        const bool transmit = event.queue % 2 == 1;
        if (event.packet != packet || transmit != (direction == RingDirection::transmit)) continue;
        std::string line = fmt::format("queue {} {}", event.queue, event.event);
        if (event.index) line += fmt::format(" #{}", *event.index);
        if (event.head) line += fmt::format(": descriptor {}", *event.head);
        // What the driver offered is as long as its parts; what it gave back, as what it wrote.
        if (event.length && (event.descriptors.empty() || event.event == "used")) {
            line += fmt::format(", {} bytes", *event.length);
        }
        const char* separator = event.event == "used" ? " into " : ", ";
        for (std::size_t i = 0; i < event.descriptors.size(); ++i) {
            const chain::Descriptor& descriptor = event.descriptors[i];
            line += fmt::format("{}{} bytes at {:#x}", i == 0 ? separator : " + ",
                                descriptor.length, descriptor.address);
        }
        if (event.indirect_table) {
            line += fmt::format(", listed in an indirect table of {} bytes at {:#x}",
                                event.indirect_table->length, event.indirect_table->address);
        }
        if (!event.reason.empty()) line += fmt::format(" ({})", event.reason);
        lines.push_back(std::move(line));
    }
    return lines;
}

}  // namespace skbtrail::labs
