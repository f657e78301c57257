#include "device/net/receive_filter.h"

#include <algorithm>
#include <utility>

namespace skbtrail::device {

namespace {

constexpr std::size_t type_at = 12;
constexpr std::size_t tag_at = 14;
constexpr unsigned type_vlan = 0x8100;

unsigned big16(std::span<const std::byte> bytes, std::size_t at) {
    return std::to_integer<unsigned>(bytes[at]) << 8 | std::to_integer<unsigned>(bytes[at + 1]);
}

}  // namespace

void ReceiveFilter::reset(const Mac& mac, bool by_vlan) {
    *this = ReceiveFilter();
    mac_ = mac;
    by_vlan_ = by_vlan;
}

void ReceiveFilter::set_tables(std::vector<Mac> unicast, std::vector<Mac> multicast) {
    unicast_ = make_table(std::move(unicast));
    multicast_ = make_table(std::move(multicast));
}

ReceiveFilter::Table ReceiveFilter::make_table(std::vector<Mac> addresses) {
    if (addresses.size() > most_addresses) {
        return {{}, true};
    }
    std::sort(addresses.begin(), addresses.end());
    return {std::move(addresses), false};
}

bool ReceiveFilter::Table::holds(const Mac& mac) const {
    return overflown || std::binary_search(addresses.begin(), addresses.end(), mac);
}

bool ReceiveFilter::accepts(std::span<const std::byte> frame) const {
    if (is(Mode::promiscuous)) {
        return true;
    }
    Mac target;
    std::copy_n(frame.begin(), target.size(), target.begin());
    return accepts_vlan(frame) && accepts_address(target);
}

bool ReceiveFilter::accepts_vlan(std::span<const std::byte> frame) const {
    if (!by_vlan_ || big16(frame, type_at) != type_vlan || frame.size() < tag_at + 2) {
        return true;
    }
    return vlan_.test(big16(frame, tag_at) & 0xfff);
}

bool ReceiveFilter::accepts_address(const Mac& target) const {
    if (std::all_of(target.begin(), target.end(),
                    [](std::byte octet) { return octet == std::byte{0xff}; })) {
        return !is(Mode::no_broadcast);
    }
    if ((target[0] & std::byte{1}) != std::byte{0}) {
        return is(Mode::all_multicast) || (!is(Mode::no_multicast) && multicast_.holds(target));
    }
    return is(Mode::all_unicast) ||
           (!is(Mode::no_unicast) && (target == mac_ || unicast_.holds(target)));
}

}  // namespace skbtrail::device
