// Which queue pair receives a frame (virtio 1.3, 5.1.6.5.6, "Automatic receive steering in
// multiqueue mode"): the pair on which the driver last sent something of the same conversation,
// because there the driver's processor with the conversation's data is. Frames of conversations
// that the driver has not taken part in are spread by their addresses; frames of none go to the
// first pair.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace skbtrail::device {

class Steering {
  public:
    /// A frame that the driver sent on the transmit queue of this pair (0 to 255).
    void note_sent(std::span<const std::byte> frame, unsigned pair);
    /// The pair for a frame, below `pairs` (the pairs that receive, 1 or more).
    unsigned choose(std::span<const std::byte> frame, unsigned pairs) const;
    /// Another driver comes.
    void forget() noexcept { seen_.fill({}); }

  private:
    /// Conversations that are remembered. Two that share a place displace each other, and are
    /// then spread as if unknown: a wrong pair is slower, not wrong.
    static constexpr std::size_t places = 4096;

    struct Seen {
        std::uint32_t tag = 0;  ///< of the conversation, beside its place
        std::uint8_t pair = 0;
        bool known = false;
    };

    static std::size_t place_of(std::uint64_t flow) { return flow % places; }
    static std::uint32_t tag_of(std::uint64_t flow) {
        return static_cast<std::uint32_t>(flow >> 32);
    }

    std::array<Seen, places> seen_{};
};

}  // namespace skbtrail::device
