#include "device/memory/guest_memory.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace skbtrail::device {

namespace {

/// Whether two ranges that do not wrap share an address.
bool overlap(std::uint64_t a, std::uint64_t a_size, std::uint64_t b, std::uint64_t b_size) {
    return a < b + b_size && b < a + a_size;
}

}  // namespace

tl::expected<GuestMemory, MemoryError> GuestMemory::with(
    std::shared_ptr<const Region> region) const {
    const RegionDescription& added = region->description();
    if (regions_.size() >= max_regions) {
        return tl::make_unexpected(
            MemoryError{MemoryErrorKind::too_many_regions,
                        fmt::format("more than {} memory regions", max_regions)});
    }
    for (const auto& present : regions_) {
        const RegionDescription& other = present->description();
        if (overlap(added.guest_address.value, added.size, other.guest_address.value, other.size) ||
            overlap(added.user_address.value, added.size, other.user_address.value, other.size)) {
            return tl::make_unexpected(MemoryError{
                MemoryErrorKind::overlaps,
                fmt::format("memory region at guest address {:#x}, user address {:#x}, size {:#x} "
                            "overlaps the one at guest address {:#x}, user address {:#x}, size "
                            "{:#x}",
                            added.guest_address.value, added.user_address.value, added.size,
                            other.guest_address.value, other.user_address.value, other.size)});
        }
    }
    GuestMemory result(*this);
    result.regions_.push_back(std::move(region));
    return result;
}

tl::expected<GuestMemory, MemoryError> GuestMemory::without(
    const RegionDescription& description) const {
    const auto found = std::find_if(regions_.begin(), regions_.end(), [&](const auto& region) {
        const RegionDescription& present = region->description();
        return present.guest_address == description.guest_address &&
               present.user_address == description.user_address && present.size == description.size;
    });
    if (found == regions_.end()) {
        return tl::make_unexpected(
            MemoryError{MemoryErrorKind::no_such_region,
                        fmt::format("no memory region at guest address {:#x}, user address {:#x} "
                                    "of size {:#x} to remove",
                                    description.guest_address.value, description.user_address.value,
                                    description.size)});
    }
    GuestMemory result(*this);
    result.regions_.erase(result.regions_.begin() + (found - regions_.begin()));
    return result;
}

bool GuestMemory::lost() const noexcept {
    return std::any_of(regions_.begin(), regions_.end(),
                       [](const auto& region) { return region->lost(); });
}

const Region* GuestMemory::find(GuestAddress address) const noexcept {
    for (const auto& region : regions_) {
        if (region->offset_of(address)) {
            return region.get();
        }
    }
    return nullptr;
}

std::span<std::byte> GuestMemory::contiguous(GuestAddress address,
                                             std::uint64_t length) const noexcept {
    for (const auto& region : regions_) {
        if (const auto offset = region->offset_of(address)) {
            const std::span<std::byte> rest = region->bytes().subspan(*offset);
            return rest.first(std::min<std::uint64_t>(rest.size(), length));
        }
    }
    return {};
}

std::optional<std::span<std::byte>> GuestMemory::whole(GuestAddress address,
                                                       std::uint64_t length) const noexcept {
    const std::span<std::byte> bytes = contiguous(address, length);
    return !bytes.empty() && bytes.size() == length ? std::optional(bytes) : std::nullopt;
}

std::optional<std::span<std::byte>> GuestMemory::whole(UserAddress address,
                                                       std::uint64_t length) const noexcept {
    for (const auto& region : regions_) {
        const auto offset = region->offset_of(address);
        if (!offset || length == 0) {
            continue;
        }
        const std::span<std::byte> rest = region->bytes().subspan(*offset);
        return rest.size() >= length ? std::optional(rest.first(length)) : std::nullopt;
    }
    return std::nullopt;
}

std::optional<GuestAddress> GuestMemory::guest_address(UserAddress address) const noexcept {
    for (const auto& region : regions_) {
        if (const auto offset = region->offset_of(address)) {
            return GuestAddress{region->description().guest_address.value + *offset};
        }
    }
    return std::nullopt;
}

bool GuestMemory::read(GuestAddress from, std::span<std::byte> to) const noexcept {
    while (!to.empty()) {
        const std::span<std::byte> bytes = contiguous(from, to.size());
        if (bytes.empty()) {
            return false;
        }
        std::memcpy(to.data(), bytes.data(), bytes.size());
        to = to.subspan(bytes.size());
        from.value += bytes.size();  // no wrap: regions end below 2^64
    }
    return true;
}

bool GuestMemory::covers(GuestAddress address, std::uint64_t length) const noexcept {
    while (length > 0) {
        const std::span<std::byte> bytes = contiguous(address, length);
        if (bytes.empty()) {
            return false;
        }
        length -= bytes.size();
        address.value += bytes.size();
    }
    return true;
}

}  // namespace skbtrail::device
