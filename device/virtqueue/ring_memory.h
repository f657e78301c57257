// How both ring formats get at the guest's memory: fields that the driver may write at the same
// time, and the parts that a front end says a ring is made of.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include <tl/expected.hpp>

#include "device/memory/guest_memory.h"
#include "device/virtqueue/fault.h"
#include "device/virtqueue/layout.h"

namespace skbtrail::device {

/// Where the front end says that the parts of a ring are (SET_VRING_ADDR). In a packed ring
/// `descriptors` is the ring, `available` the driver's event suppression, `used` the device's.
struct RingAddresses {
    UserAddress descriptors;
    UserAddress available;
    UserAddress used;
    /// Where writes to the used ring are logged, if they are (VHOST_VRING_F_LOG): its first byte
    /// counts as this guest address.
    std::optional<GuestAddress> used_log = std::nullopt;
    auto operator<=>(const RingAddresses&) const = default;
};

/// One reading of a field that the guest may write at the same time. Atomic so that the compiler
/// neither tears nor repeats it. Its alignment was checked when the ring was opened.
template <typename T>
T load_field(const std::byte* at, std::memory_order order = std::memory_order_relaxed) noexcept {
    return std::atomic_ref<T>(*reinterpret_cast<T*>(const_cast<std::byte*>(at))).load(order);
}

template <typename T>
void store_field(std::byte* at, T value,
                 std::memory_order order = std::memory_order_relaxed) noexcept {
    std::atomic_ref<T>(*reinterpret_cast<T*>(at)).store(value, order);
}

/// Finds one part of a ring, `bytes` at `address`, inside one region and aligned. `name` is for
/// the fault's message.
tl::expected<std::byte*, RingFault> find_ring_part(const GuestMemory& memory, const char* name,
                                                   UserAddress address, std::uint64_t bytes,
                                                   std::uint64_t alignment);

}  // namespace skbtrail::device
