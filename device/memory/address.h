// The address spaces that meet in a back end, as types that cannot be mixed up.
#pragma once

#include <compare>
#include <cstdint>

namespace skbtrail::device {

/// Guest-physical: what the driver writes into descriptors.
struct GuestAddress {
    std::uint64_t value = 0;
    auto operator<=>(const GuestAddress&) const = default;
};

/// Virtual in the front end's process: what SET_VRING_ADDR names rings by.
struct UserAddress {
    std::uint64_t value = 0;
    auto operator<=>(const UserAddress&) const = default;
};

}  // namespace skbtrail::device
