// One range of a guest's memory, mapped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include <tl/expected.hpp>

#include "device/memory/address.h"
#include "device/memory/error.h"
#include "device/memory/mapping_guard.h"
#include "device/unique_fd.h"

namespace skbtrail::device {

/// A memory region as a front end describes it (vhost-user, "Memory regions description").
struct RegionDescription {
    GuestAddress guest_address;
    std::uint64_t size = 0;
    UserAddress user_address;
    std::uint64_t file_offset = 0;  ///< where the region begins in the file
};

/// A mapped region. Immutable; unmapped when the last owner goes.
class Region {
  public:
    /// Maps `file` at the described offset, shared and writable. The descriptor is not needed
    /// afterwards. Nothing of a region that fails stays mapped.
    static tl::expected<std::shared_ptr<const Region>, MemoryError> map(
        const RegionDescription& description, const UniqueFd& file);

    Region(const Region&) = delete;
    Region& operator=(const Region&) = delete;

    const RegionDescription& description() const noexcept { return description_; }
    /// The region's bytes in this process.
    std::span<std::byte> bytes() const noexcept { return bytes_; }
    /// Whether its file was cut short under us; see MappingGuard.
    bool lost() const noexcept { return guard_.lost(); }

    /// Offset of an address in the region, if it is inside.
    std::optional<std::uint64_t> offset_of(GuestAddress address) const noexcept;
    std::optional<std::uint64_t> offset_of(UserAddress address) const noexcept;

  private:
    /// What mmap(2) gave, until munmap(2).
    class Mapping {
      public:
        Mapping(void* base, std::size_t length) noexcept : base_(base), length_(length) {}
        ~Mapping();
        Mapping(const Mapping&) = delete;
        Mapping& operator=(const Mapping&) = delete;

      private:
        void* base_;
        std::size_t length_;
    };

    Region(const RegionDescription& description, void* base, std::size_t mapped,
           std::uint64_t lead);

    RegionDescription description_;
    Mapping mapping_;
    MappingGuard guard_;  // after the mapping: goes before it
    std::span<std::byte> bytes_;
};

}  // namespace skbtrail::device
