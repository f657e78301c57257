// The sk_buffs that kprobe events tell of, in ftrace's pages.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "tracer/bpf/event.h"
#include "tracer/ftrace/format.h"
#include "tracer/skb_layout.h"

namespace skbtrail::tracer {

/// Members of a list of sk_buffs that are recorded: each costs a probe.
inline constexpr unsigned kprobe_list_members = 4;
/// Words of packet data that an event with bytes carries.
inline constexpr unsigned kprobe_data_words = SKBTRAIL_SNAP / 8;

/// What one probe looks at. A function with a list, or with two sk_buffs, has several.
struct KprobePoint {
    std::uint64_t function = 0;  ///< address of its symbol
    std::uint32_t cookie = 0;    ///< bpf/event.h
    std::uint8_t argument = 0;
    std::uint8_t member = 0;  ///< of the list
};

/// One kprobe event.
struct KprobeSighting {
    skbtrail_event event{};
    std::uint64_t base = 0;  ///< the head of the list that it is a member of; 0: of none
    std::uint64_t next = 0;  ///< skb->next
    std::array<std::uint8_t, SKBTRAIL_SNAP> bytes{};
    std::uint64_t page_offset = 0;  ///< 0: this event does not tell it
};

/// Decodes records of the two events that KprobeEvents defines.
class KprobeDecoder {
  public:
    /// Takes the formats of both events, the second of which has packet data. Throws Failure when
    /// the kernel made something else of them than was asked for.
    KprobeDecoder(const EventFormat& plain, const EventFormat& with_bytes, const SkbLayout& layout,
                  std::vector<KprobePoint> points);

    /// Decodes one record; nothing when it is another event's, or damaged.
    [[nodiscard]] std::optional<KprobeSighting> decode(std::span<const std::byte> data) const;

  private:
    struct Form {
        std::uint16_t id = 0;
        std::size_t size = 0;
        Field pid, point, base, skb, extra, ifindex, netns;
        std::size_t words = 0;  ///< offset of the sk_buff's bytes
        std::size_t data = 0;   ///< offset of the packet's bytes; 0: none
        Field page_offset;
    };
    static Form form_of(const EventFormat& format, const SkbLayout& layout, bool with_bytes);
    void describe(std::span<const std::byte> skb, std::uint32_t ifindex, std::uint32_t netns,
                  KprobeSighting& sighting) const;
    /// Of a packet that has nothing but its link layer's header in the linear buffer.
    static void add_first_bytes(std::span<const std::byte> data, KprobeSighting& sighting);
    static void add_bytes(std::span<const std::byte> data, KprobeSighting& sighting);

    Form plain_;
    Form with_bytes_;
    SkbLayout layout_;
    std::vector<KprobePoint> points_;
};

/// Puts one call's sightings, which come in the order in which the kernel runs the probes of one
/// address, into the order of arguments and list members, and drops what lies behind a list's end.
/// Leaves one event without an sk_buff when there is none. Returns true when the list went on.
bool order_sightings(std::vector<KprobeSighting>& sightings);

}  // namespace skbtrail::tracer
