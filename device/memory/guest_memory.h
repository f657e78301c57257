// A guest's memory as the device may use it: what the front end has shared, and nothing else.
//
// Every address that a guest or a front end names is checked here, once. A GuestMemory is a
// snapshot that never changes; adding or removing a region makes another one that shares the
// mappings. So a pointer into it is good for as long as the snapshot is held, and a ring that has
// been given one cannot have its memory pulled away while it works.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <tl/expected.hpp>

#include "device/memory/address.h"
#include "device/memory/error.h"
#include "device/memory/region.h"

namespace skbtrail::device {

class GuestMemory {
  public:
    /// The most regions that a guest can have: the slots we announce (GET_MAX_MEM_SLOTS).
    static constexpr std::size_t max_regions = 64;

    /// No memory at all.
    GuestMemory() = default;

    /// This memory and one region more. Fails when it shares guest or user addresses with a
    /// region that is there, or when there are max_regions already.
    tl::expected<GuestMemory, MemoryError> with(std::shared_ptr<const Region> region) const;
    /// This memory without the region that has exactly this guest address, user address and size
    /// (the offset does not count: vhost-user, REM_MEM_REG).
    tl::expected<GuestMemory, MemoryError> without(const RegionDescription& description) const;

    const std::vector<std::shared_ptr<const Region>>& regions() const noexcept { return regions_; }
    /// Whether a file behind the memory was cut short; its content is of no use any more.
    bool lost() const noexcept;

    /// The region that `address` is in; nullptr when it is in none.
    const Region* find(GuestAddress address) const noexcept;
    /// The bytes at `address`, as far as they are contiguous here, at most `length`: empty when
    /// the address is in no region. The first step of a walk over a range that may touch several
    /// regions.
    std::span<std::byte> contiguous(GuestAddress address, std::uint64_t length) const noexcept;
    /// Exactly `length` bytes, inside one region.
    std::optional<std::span<std::byte>> whole(GuestAddress address,
                                              std::uint64_t length) const noexcept;
    std::optional<std::span<std::byte>> whole(UserAddress address,
                                              std::uint64_t length) const noexcept;
    /// The guest's name for a byte that the front end names; none when it is in no region.
    std::optional<GuestAddress> guest_address(UserAddress address) const noexcept;
    /// Copies out of the guest. False, with `to` unspecified, when part of the range is not
    /// there; ranges that touch several regions are fine.
    bool read(GuestAddress from, std::span<std::byte> to) const noexcept;
    /// Whether all of [address, address + length) is there.
    bool covers(GuestAddress address, std::uint64_t length) const noexcept;

  private:
    std::vector<std::shared_ptr<const Region>> regions_;
};

}  // namespace skbtrail::device
