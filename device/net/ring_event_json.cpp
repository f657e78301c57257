#include "device/net/ring_event_json.h"

#include <iterator>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "device/net/monotonic_clock.h"
#include "device/virtqueue/packed_layout.h"

namespace skbtrail::device {

namespace {

const char* name_of(RingEventKind kind) {
    switch (kind) {
        case RingEventKind::available:
            return "available";
        case RingEventKind::used:
            return "used";
        case RingEventKind::kick:
            return "kick";
        case RingEventKind::kick_suppressed:
            return "kick_suppressed";
        case RingEventKind::call:
            return "call";
        case RingEventKind::call_suppressed:
            return "call_suppressed";
    }
    return "unknown";
}

/// A place of a packed ring, as events have it: the wrap counter in bit 15.
std::string place_text(std::uint32_t code) {
    const PackedPlace place = PackedPlace::decode(static_cast<std::uint16_t>(code));
    return fmt::format("{} (wrap counter {})", place.index, place.wrap ? 1 : 0);
}

/// Why the driver did not have to kick, with the arithmetic (virtio 1.3, 2.7.10 and 2.8.10).
std::string reason_not_to_kick(const RingEvent& event) {
    const bool packed = (event.flags & decided_packed) != 0;
    const std::string step = packed
                                 ? fmt::format("available place {} -> {}", place_text(event.head),
                                               place_text(event.index))
                                 : fmt::format("available index {} -> {}", event.head, event.index);
    if ((event.flags & decided_by_event) == 0) {
        return fmt::format("{} while {} is set", step,
                           packed ? "RING_EVENT_FLAGS_DISABLE" : "VIRTQ_USED_F_NO_NOTIFY");
    }
    return packed ? fmt::format("{} does not pass the device's event at {}", step,
                                place_text(event.length))
                  : fmt::format("{} does not pass avail_event {}", step, event.length);
}

/// Why the driver was called or not, with the arithmetic (virtio 1.3, 2.7.7 and 2.8.10).
std::string reason_of(const RingEvent& call) {
    const bool wanted = (call.flags & decided_wanted) != 0;
    const bool delivered = (call.flags & decided_delivered) != 0;
    if (!wanted && delivered) {
        return "put off before, or once too often, by a fault";
    }
    if (wanted && !delivered && (call.flags & decided_gated) != 0) {
        return "wanted, and held back by a fault";
    }
    if (wanted && !delivered) {
        return "the driver has given no call descriptor: it polls";
    }
    const bool packed = (call.flags & decided_packed) != 0;
    if ((call.flags & decided_by_event) == 0 && packed) {
        return wanted ? "RING_EVENT_FLAGS_DISABLE is not set" : "RING_EVENT_FLAGS_DISABLE is set";
    }
    if ((call.flags & decided_by_event) == 0) {
        return wanted ? "VIRTQ_AVAIL_F_NO_INTERRUPT is not set"
                      : "VIRTQ_AVAIL_F_NO_INTERRUPT is set";
    }
    if ((call.flags & decided_first) != 0) {
        return "the first since the ring was started";
    }
    if ((call.flags & decided_astray) != 0) {
        return fmt::format("the driver's event is at {}, which the ring has not",
                           place_text(call.length));
    }
    const char* const passes = wanted ? "passes" : "does not pass";
    if (packed) {
        return fmt::format("used place {} -> {} {} the driver's event at {}", place_text(call.head),
                           place_text(call.index), passes, place_text(call.length));
    }
    return fmt::format("used index {} -> {} {} used_event {}", call.head, call.index, passes,
                       call.length);
}

const RingEventDescriptor& descriptor_at(const EventRing& ring, std::size_t slot, std::size_t n) {
    if (n < EventRing::inline_descriptors) {
        return ring.oldest(slot).first.descriptors[n];
    }
    n -= EventRing::inline_descriptors;
    return ring.oldest(slot + 1 + n / EventRing::descriptors_per_slot)
        .more[n % EventRing::descriptors_per_slot];
}

void format_descriptors(const EventRing& ring, std::size_t slot, fmt::memory_buffer& to) {
    const RingEvent& event = ring.oldest(slot).first.event;
    const bool table = (event.flags & in_a_table) != 0;
    const std::size_t buffers = event.descriptors - (table ? 1U : 0U);
    to.append(std::string_view(R"(,"descriptors":[)"));
    for (std::size_t n = 0; n < buffers; ++n) {
        const RingEventDescriptor& descriptor = descriptor_at(ring, slot, n);
        fmt::format_to(std::back_inserter(to),
                       R"({}{{"address":"{:#x}","length":{},"device_writable":{}{}}})",
                       n == 0 ? "" : ",", descriptor.address, descriptor.length,
                       (descriptor.flags & descriptor_write) != 0,
                       (descriptor.flags & descriptor_next) != 0 ? R"(,"next":true)" : "");
    }
    to.push_back(']');
    if (table) {
        const RingEventDescriptor& where = descriptor_at(ring, slot, buffers);
        fmt::format_to(std::back_inserter(to),
                       R"(,"indirect_table":{{"address":"{:#x}","length":{},"entries":{}}})",
                       where.address, where.length, where.entries);
    }
}

}  // namespace

std::size_t format_oldest(const EventRing& ring, std::size_t skip, fmt::memory_buffer& to) {
    const RingEvent& event = ring.oldest(skip).first.event;
    const auto out = std::back_inserter(to);
    fmt::format_to(out, R"({{"sequence":{},"time":{},"queue":{},"event":"{}")", event.sequence,
                   event.time, event.queue, name_of(event.kind));
    switch (event.kind) {
        case RingEventKind::available:
            fmt::format_to(out, R"(,"index":{},"head":{},"length":{})", event.index, event.head,
                           event.length);
            format_descriptors(ring, skip, to);
            break;
        case RingEventKind::used:
            fmt::format_to(out, R"(,"index":{},"head":{},"length":{})", event.index, event.head,
                           event.length);
            break;
        case RingEventKind::kick:
            break;
        case RingEventKind::kick_suppressed:
            fmt::format_to(out, R"(,"index":{},"reason":"{}")", event.index,
                           reason_not_to_kick(event));
            break;
        case RingEventKind::call:
        case RingEventKind::call_suppressed:
            fmt::format_to(out, R"(,"index":{},"reason":"{}")", event.index, reason_of(event));
            break;
    }
    to.append(std::string_view("}\n"));
    return EventRing::slots_for(event.descriptors);
}

void format_lost(std::uint64_t sequence, std::uint64_t count, fmt::memory_buffer& to) {
    fmt::format_to(std::back_inserter(to),
                   R"({{"sequence":{},"time":{},"queue":0,"event":"lost","length":{},)"
                   R"("reason":"{} events up to here were not written: the reader is too slow"}})"
                   "\n",
                   sequence, monotonic_ns(), count, count);
}

}  // namespace skbtrail::device
