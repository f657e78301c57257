// The frames of a generate wire, made once: UDP over IPv4 with every checksum in place.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "device/wire/mac_address.h"

namespace skbtrail::device {

/// What generated frames look like.
struct GeneratedTraffic {
    /// Lengths in bytes without FCS, one frame after the other and then again from the first.
    std::vector<std::size_t> sizes{64};
    /// So many UDP source ports, from first_port on, in turn.
    unsigned flows = 1;
    MacAddress source{{0x02, 0x73, 0x6b, 0x62, 0x00, 0x01}};
    MacAddress destination{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
    /// Of the network that RFC 2544 keeps for benchmarks.
    std::string source_ip = "198.18.0.1";
    std::string destination_ip = "198.18.0.2";
    std::uint16_t destination_port = 9;  ///< the discard service

    static constexpr std::uint16_t first_port = 1024;
    static constexpr unsigned most_flows = 65536 - first_port;
};

/// A cycle of frames that go out one after the other. They lie in memory in the order in which
/// they are sent, so that the next one is on its way into the cache.
class GeneratedFrames {
  public:
    /// At most so much is kept; beyond, make() has no answer.
    static constexpr std::size_t most_bytes = std::size_t{16} << 20;
    /// Ethernet, IPv4 and UDP, in Ethernet's smallest frame.
    static constexpr std::size_t smallest_frame = 60;

    /// None when all frames of the cycle together would exceed most_bytes. Sizes and flows are at
    /// least one, sizes between smallest_frame and 65549.
    static std::optional<GeneratedFrames> make(const GeneratedTraffic& traffic);

    /// The frame whose turn it is. Valid until the object changes.
    std::span<const std::byte> front() const noexcept {
        const Place place = places_[at_];
        return {lines_[place.line].data(), place.size};
    }
    /// The next frame's turn.
    void advance() noexcept { at_ = at_ + 1 == places_.size() ? 0 : at_ + 1; }
    /// The turn of the frame `count` before, at most a cycle.
    void retreat(std::size_t count) noexcept {
        at_ = at_ >= count ? at_ - count : at_ + places_.size() - count;
    }
    std::size_t cycle() const noexcept { return places_.size(); }
    /// Sends all of them to another station from now on.
    void set_destination(const MacAddress& destination);

  private:
    /// Frames begin at cache lines, as they do in the buffers of drivers.
    struct alignas(64) Line : std::array<std::byte, 64> {};
    struct Place {
        std::uint32_t line;
        std::uint32_t size;
    };

    std::vector<Line> lines_;
    std::vector<Place> places_;
    std::size_t at_ = 0;
};

}  // namespace skbtrail::device
