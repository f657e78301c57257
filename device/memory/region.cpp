#include "device/memory/region.h"

#include <bit>
#include <cerrno>
#include <cstring>
#include <limits>
#include <stdexcept>

#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "device/memory/file_system.h"

namespace skbtrail::device {

namespace {

constexpr std::uint64_t max_address = std::numeric_limits<std::uint64_t>::max();

tl::unexpected<MemoryError> error(MemoryErrorKind kind, std::string message) {
    return tl::make_unexpected(MemoryError{kind, std::move(message)});
}

std::string name(const RegionDescription& region) {
    return fmt::format("memory region at guest address {:#x}, size {:#x}",
                       region.guest_address.value, region.size);
}

/// The alignment that mmap(2) wants for offset and length of this file.
std::uint64_t mapping_granularity(const struct statfs& file_system, const struct stat& status) {
    const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    if (file_system.f_type == HUGETLBFS_MAGIC && status.st_blksize > 0) {
        return std::max(page, static_cast<std::uint64_t>(status.st_blksize));
    }
    return page;
}

}  // namespace

tl::expected<std::shared_ptr<const Region>, MemoryError> Region::map(
    const RegionDescription& description, const UniqueFd& file) {
    if (description.size == 0) {
        return error(MemoryErrorKind::zero_size, name(description) + ": the size is zero");
    }
    if (description.guest_address.value > max_address - description.size ||
        description.user_address.value > max_address - description.size ||
        description.file_offset > max_address - description.size) {
        return error(MemoryErrorKind::address_wraps,
                     fmt::format("{}: an address range wraps around (user address {:#x}, "
                                 "offset {:#x})",
                                 name(description), description.user_address.value,
                                 description.file_offset));
    }
    struct stat status{};
    if (::fstat(file.get(), &status) != 0) {
        return error(MemoryErrorKind::cannot_map,
                     fmt::format("{}: fstat: {}", name(description), std::strerror(errno)));
    }
    if (!S_ISREG(status.st_mode)) {
        return error(MemoryErrorKind::not_a_file,
                     fmt::format("{}: its descriptor is no file in memory (a memfd, a file in "
                                 "hugetlbfs or tmpfs)",
                                 name(description)));
    }
    struct statfs file_system{};
    if (::fstatfs(file.get(), &file_system) != 0) {
        return error(MemoryErrorKind::cannot_map,
                     fmt::format("{}: fstatfs: {}", name(description), std::strerror(errno)));
    }
    if (const auto server = served_elsewhere(file_system.f_type); !server.empty()) {
        return error(MemoryErrorKind::not_a_file,
                     fmt::format("{}: its file is one of {}, where each access can wait for "
                                 "whoever serves it; give a memfd, or a file in hugetlbfs or tmpfs",
                                 name(description), server));
    }
    if (description.file_offset + description.size > static_cast<std::uint64_t>(status.st_size)) {
        return error(MemoryErrorKind::exceeds_file,
                     fmt::format("{}: offset {:#x} and size exceed its file of {:#x} bytes",
                                 name(description), description.file_offset,
                                 static_cast<std::uint64_t>(status.st_size)));
    }

    const std::uint64_t granularity = mapping_granularity(file_system, status);
    const std::uint64_t lead = description.file_offset % granularity;
    const std::uint64_t wanted = lead + description.size;
    if (wanted > std::numeric_limits<std::int64_t>::max() - granularity) {
        return error(MemoryErrorKind::cannot_map,
                     fmt::format("{}: larger than this machine can map", name(description)));
    }
    const std::uint64_t length = (wanted + granularity - 1) / granularity * granularity;
    void* base = ::mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
                        file.get(), static_cast<off_t>(description.file_offset - lead));
    if (base == MAP_FAILED) {
        return error(MemoryErrorKind::cannot_map,
                     fmt::format("{}: mmap: {}", name(description), std::strerror(errno)));
    }
    // A core file of the NIC is about the NIC, not a copy of the guest.
    ::madvise(base, length, MADV_DONTDUMP);
    try {
        return std::shared_ptr<const Region>(new Region(description, base, length, lead));
    } catch (const std::length_error& full) {
        return error(MemoryErrorKind::too_many_regions,
                     fmt::format("{}: {}", name(description), full.what()));
    }
}

Region::Region(const RegionDescription& description, void* base, std::size_t mapped,
               std::uint64_t lead)
    : description_(description),
      mapping_(base, mapped),
      guard_(base, mapped),
      bytes_(static_cast<std::byte*>(base) + lead, description.size) {}

Region::Mapping::~Mapping() {
    ::munmap(base_, length_);
}

std::optional<std::uint64_t> Region::offset_of(GuestAddress address) const noexcept {
    // An address below the region wraps to a large number, so one comparison does for both ends.
    const std::uint64_t offset = address.value - description_.guest_address.value;
    return offset < description_.size ? std::optional(offset) : std::nullopt;
}

std::optional<std::uint64_t> Region::offset_of(UserAddress address) const noexcept {
    const std::uint64_t offset = address.value - description_.user_address.value;
    return offset < description_.size ? std::optional(offset) : std::nullopt;
}

}  // namespace skbtrail::device
