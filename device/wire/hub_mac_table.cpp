#include "device/wire/hub_mac_table.h"

namespace skbtrail::device {

namespace {

std::uint64_t key_of(const MacAddress& station) {
    std::uint64_t key = 0;
    for (const std::uint8_t octet : station.octets) {
        key = key << 8 | octet;
    }
    return key;
}

}  // namespace

void HubMacTable::learn(const MacAddress& station, Port port, Clock::time_point now) {
    if (station.is_group()) {
        return;
    }
    if (const auto found = stations_.find(key_of(station)); found != stations_.end()) {
        found->second = {port, now};
        return;
    }
    if (stations_.size() >= most_stations && now >= next_removal_) {
        remove_old(now);
    }
    if (stations_.size() < most_stations) {
        stations_.emplace(key_of(station), Entry{port, now});
    }
}

std::optional<HubMacTable::Port> HubMacTable::find(const MacAddress& station,
                                                   Clock::time_point now) const {
    const auto found = stations_.find(key_of(station));
    if (found == stations_.end() || now - found->second.seen > lifetime) {
        return std::nullopt;
    }
    return found->second.port;
}

void HubMacTable::forget(Port port) {
    std::erase_if(stations_, [port](const auto& entry) { return entry.second.port == port; });
}

void HubMacTable::remove_old(Clock::time_point now) {
    next_removal_ = now + removal_interval;
    std::erase_if(stations_,
                  [now](const auto& entry) { return now - entry.second.seen > lifetime; });
}

}  // namespace skbtrail::device
