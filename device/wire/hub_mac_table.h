// Which neighbour of a switch has which station.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>

#include "device/event_loop.h"
#include "device/wire/mac_address.h"

namespace skbtrail::device {

/// Learns stations from the frames that they send. Bounded: a guest that invents addresses fills
/// it, and costs its neighbours no more than frames that they would not have got.
class HubMacTable {
  public:
    using Clock = EventLoop::Clock;
    using Port = std::uint64_t;

    /// A station that said nothing for so long may be elsewhere by now (IEEE 802.1D's default).
    static constexpr std::chrono::seconds lifetime{300};
    static constexpr std::size_t most_stations = 8192;
    /// How often a full table is searched for old stations at most: searching it for each invented
    /// address would let one guest take the switch's time from all others.
    static constexpr std::chrono::seconds removal_interval{1};

    void learn(const MacAddress& station, Port port, Clock::time_point now);
    /// None: nobody knows, and everybody has to get the frame.
    std::optional<Port> find(const MacAddress& station, Clock::time_point now) const;
    /// The port is gone, and who was behind it.
    void forget(Port port);
    std::size_t size() const noexcept { return stations_.size(); }

  private:
    struct Entry {
        Port port;
        Clock::time_point seen;
    };

    void remove_old(Clock::time_point now);

    std::unordered_map<std::uint64_t, Entry> stations_;
    Clock::time_point next_removal_{};
};

}  // namespace skbtrail::device
