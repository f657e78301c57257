#include "labs/runner/ring_join.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "tracer/chain/format_error.h"
#include "tracer/chain/names.h"
#include "tracer/chain/recording_json.h"

namespace skbtrail::labs {
namespace {

/// A packet at the moment at which the driver has it.
struct Transmission {
    chain::Nanoseconds time = 0;
    chain::PacketId packet = 0;
    chain::Address skb = 0;
    chain::Address physical = 0;  ///< of its first byte
    std::uint32_t length = 0;
};

bool hands_to_ring(const chain::Call& call) {
    return call.module == "virtio_net" && chain::base_name(call.function) == "start_xmit";
}

void collect(const chain::Call& call, chain::Address page_offset,
             std::vector<Transmission>& found) {
    if (hands_to_ring(call) && !call.skbs.empty()) {
        const auto& skb = call.skbs.front();
        if (const auto packet = skb.packet) {
            found.push_back({call.start, *packet, skb.address,
                             skb.head + static_cast<chain::Address>(skb.data) - page_offset,
                             skb.len});
        }
    }
    for (const auto& child : call.calls) {
        collect(child, page_offset, found);
    }
}

bool carries(const chain::RingEvent& event, const Transmission& transmission) {
    const auto total = std::accumulate(
        event.descriptors.begin(), event.descriptors.end(), std::uint64_t{0},
        [](std::uint64_t sum, const auto& descriptor) { return sum + descriptor.length; });
    // The chain carries the virtio header too, of 10 to 20 bytes.
    return total >= transmission.length &&
           std::any_of(event.descriptors.begin(), event.descriptors.end(),
                       [&](const auto& descriptor) {
                           return transmission.physical >= descriptor.address &&
                                  transmission.physical - descriptor.address < descriptor.length;
                       });
}

/// Tells the fate of the transmitted sk_buff where the NIC saw it.
void name_descriptor(chain::Recording& recording, const Transmission& transmission,
                     const chain::RingEvent& event) {
    const auto packet =
        std::find_if(recording.packets.begin(), recording.packets.end(),
                     [&](const auto& one) { return one.id == transmission.packet; });
    if (packet == recording.packets.end()) return;
    const auto name = [&](chain::Fate& fate) {
        if (fate.kind != "transmitted" || fate.skb != transmission.skb) return;
        fate.queue = event.queue;
        fate.descriptor = event.head;
        fate.nic = event.nic;
    };
    name(packet->fate);
    std::for_each(packet->fates.begin(), packet->fates.end(), name);
}

/// The event that gives the descriptor chain of `available` back.
chain::RingEvent* completion_of(std::vector<chain::RingEvent>& events, std::size_t available) {
    for (std::size_t later = available + 1; later < events.size(); ++later) {
        auto& event = events[later];
        if (event.nic == events[available].nic && event.queue == events[available].queue &&
            event.event == "used" && event.head == events[available].head) {
            return &event;
        }
    }
    return nullptr;
}

/// A packet in the receive buffer that the driver took from the ring.
struct Arrival {
    chain::Nanoseconds time = 0;
    chain::PacketId packet = 0;
    chain::Address physical = 0;
};

/// The driver may keep room in front of what it gives to the device (VIRTNET_RX_PAD and XDP's
/// headroom). Buffers do not overlap and are larger, so a descriptor this near is that buffer's.
constexpr chain::Address largest_headroom = 512;

/// Where the kernel maps all memory, and where it keeps a struct page for each page of it
/// (Documentation/arch/x86/x86_64/mm.rst), with four and with five levels of page tables.
struct Layout {
    chain::Address page_offset;
    chain::Address vmemmap;
};
constexpr std::array layouts = {Layout{0xffff888000000000, 0xffffea0000000000},
                                Layout{0xff11000000000000, 0xffd4000000000000}};
constexpr chain::Address page_size = 4096;
constexpr chain::Address size_of_struct_page = 64;

/// The guest-physical address of the buffer that the driver took from the ring; absent: it cannot
/// be told. A big buffer (neither mergeable nor small) the driver names by its first struct page.
std::optional<chain::Address> physical(chain::Address buffer, chain::Address page_offset) {
    for (const Layout& layout : layouts) {
        if (layout.page_offset != page_offset || buffer < layout.vmemmap) continue;
        return (buffer - layout.vmemmap) / size_of_struct_page * page_size;
    }
    if (buffer <= page_offset) return std::nullopt;
    return buffer - page_offset;
}

bool lies_in(const chain::RingEvent& event, const Arrival& arrival) {
    if (event.descriptors.empty()) {
        return false;
    }
    const auto& first = event.descriptors.front();
    return first.address >= arrival.physical &&
           first.address - arrival.physical <= largest_headroom;
}

/// The places of all events, the latest first. All NICs have the host's clock; and whichever NIC it
/// is given to next, a buffer is free only when the one before has given it back.
std::vector<std::size_t> places_latest_first(const std::vector<chain::RingEvent>& events) {
    std::vector<std::size_t> places(events.size());
    std::iota(places.rbegin(), places.rend(), std::size_t{0});
    std::stable_sort(places.begin(), places.end(), [&](std::size_t left, std::size_t right) {
        return events[left].time > events[right].time;
    });
    return places;
}

/// Joins the arrivals with the receive queues' events; returns how many could be.
std::size_t join_arrivals(chain::Recording& recording, std::vector<Arrival> arrivals,
                          const std::vector<std::size_t>& latest_first) {
    std::sort(arrivals.begin(), arrivals.end(),
              [](const auto& left, const auto& right) { return left.time < right.time; });
    auto& events = recording.ring_events;
    std::size_t joined = 0;
    for (auto arrival = arrivals.rbegin(); arrival != arrivals.rend(); ++arrival) {
        for (const std::size_t index : latest_first) {
            auto& event = events[index];
            if (event.event != "available" || event.queue % 2 != 0 || event.packet ||
                !lies_in(event, *arrival)) {
                continue;
            }
            // A buffer that the device still has brought no packet.
            auto* completion = completion_of(events, index);
            if (completion == nullptr) {
                continue;
            }
            event.packet = arrival->packet;
            completion->packet = arrival->packet;
            ++joined;
            break;
        }
    }
    return joined;
}

}  // namespace

std::vector<chain::RingEvent> parse_ring_events(std::string_view text, unsigned nic) {
    std::vector<chain::RingEvent> events;
    std::size_t number = 0;
    while (!text.empty()) {
        const auto end = text.find('\n');
        if (end == std::string_view::npos) {
            break;
        }
        ++number;
        try {
            events.push_back(chain::parse_ring_event(text.substr(0, end)));
            events.back().nic = nic;
        } catch (const chain::FormatError& error) {
            throw chain::FormatError(fmt::format("line {}: {}", number, error.what()));
        }
        text.remove_prefix(end + 1);
    }
    return events;
}

RingJoin join_ring_events(chain::Recording& recording) {
    RingJoin result;
    if (!recording.observed.page_offset) {
        result.note = "the recording does not say where the kernel's direct map begins";
        return result;
    }
    std::vector<Transmission> transmissions;
    for (const auto& chain : recording.chains) {
        collect(chain.root, *recording.observed.page_offset, transmissions);
    }
    std::sort(transmissions.begin(), transmissions.end(),
              [](const auto& left, const auto& right) { return left.time < right.time; });
    result.transmissions = transmissions.size();

    auto& events = recording.ring_events;
    const auto latest_first = places_latest_first(events);
    for (auto transmission = transmissions.rbegin(); transmission != transmissions.rend();
         ++transmission) {
        // The last descriptor with this address that no later transmission has taken.
        for (const std::size_t index : latest_first) {
            auto& event = events[index];
            if (event.event == "available" && event.queue % 2 == 1 && !event.packet &&
                carries(event, *transmission)) {
                event.packet = transmission->packet;
                name_descriptor(recording, *transmission, event);
                if (auto* completion = completion_of(events, index)) {
                    completion->packet = transmission->packet;
                }
                ++result.joined;
                break;
            }
        }
    }
    std::vector<Arrival> arrivals;
    for (const auto& packet : recording.packets) {
        if (packet.arrived_in == 0) continue;
        if (const auto address = physical(packet.arrived_in, *recording.observed.page_offset)) {
            arrivals.push_back({packet.first_seen, packet.id, *address});
        }
    }
    result.arrivals = arrivals.size();
    result.joined += join_arrivals(recording, std::move(arrivals), latest_first);
    return result;
}

}  // namespace skbtrail::labs
