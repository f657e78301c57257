// A guest's memory as a front end has it: a memfd, its regions, and our own mapping to play the
// guest with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "device/memory/guest_memory.h"
#include "device/unique_fd.h"

namespace skbtrail::device::test {

/// Fails a test by exception where a result is only a means.
template <typename T, typename E>
T must(tl::expected<T, E> result) {
    if (!result) {
        throw std::runtime_error(result.error().message);
    }
    if constexpr (!std::is_void_v<T>) {
        return std::move(*result);
    }
}

inline std::vector<std::byte> pattern(std::size_t count, unsigned seed = 1) {
    std::vector<std::byte> bytes(count);
    for (std::size_t i = 0; i < count; ++i) {
        bytes[i] = static_cast<std::byte>(i * 7 + seed);
    }
    return bytes;
}

class GuestRam {
  public:
    static constexpr std::uint64_t default_base = 0x100000;
    static constexpr std::uint64_t default_size = 0x400000;
    /// Where the front end claims to have mapped the first byte of the file.
    static constexpr std::uint64_t user_base = 0x7f0000000000;

    struct Part {
        std::uint64_t guest_address;
        std::uint64_t size;
    };

    GuestRam() : GuestRam({{default_base, default_size}}) {}

    /// Regions that follow each other in one file, as QEMU's do.
    explicit GuestRam(const std::vector<Part>& parts)
        : fd_(::memfd_create("guest-ram", MFD_CLOEXEC | MFD_ALLOW_SEALING)) {
        for (const Part& part : parts) {
            regions_.push_back({GuestAddress{part.guest_address}, part.size,
                                UserAddress{user_base + size_}, size_});
            next_.push_back(part.guest_address);
            size_ += part.size;
        }
        if (::ftruncate(fd_.get(), static_cast<off_t>(size_)) != 0) {
            throw std::runtime_error("ftruncate");
        }
        void* base = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0);
        if (base == MAP_FAILED) {
            throw std::runtime_error("mmap");
        }
        base_ = static_cast<std::byte*>(base);
    }
    GuestRam(const GuestRam&) = delete;
    GuestRam& operator=(const GuestRam&) = delete;
    ~GuestRam() { ::munmap(base_, size_); }

    const UniqueFd& fd() const { return fd_; }
    const std::vector<RegionDescription>& regions() const { return regions_; }
    /// As the device maps it.
    std::shared_ptr<const GuestMemory> mapped() const {
        GuestMemory memory;
        for (const RegionDescription& region : regions_) {
            memory = must(memory.with(must(Region::map(region, fd_))));
        }
        return std::make_shared<GuestMemory>(memory);
    }

    /// Fresh bytes in the first region; or in each region by turns, after spread().
    GuestAddress allocate(std::uint64_t size, std::uint64_t alignment = 16) {
        const RegionDescription& region = regions_[turn_];
        std::uint64_t& next = next_[turn_];
        next = (next + alignment - 1) / alignment * alignment;
        const GuestAddress address{next};
        next += size;
        if (next > region.guest_address.value + region.size) {
            throw std::runtime_error("the test's guest has no memory left");
        }
        turn_ = spread_ ? (turn_ + 1) % regions_.size() : 0;
        return address;
    }
    void spread() { spread_ = true; }
    /// The guest's own view of an address.
    std::byte* at(GuestAddress address) const {
        for (const RegionDescription& region : regions_) {
            const std::uint64_t offset = address.value - region.guest_address.value;
            if (offset < region.size) {
                return base_ + region.file_offset + offset;
            }
        }
        throw std::runtime_error("the test looks outside of its guest's memory");
    }
    /// What SET_VRING_ADDR would call it.
    UserAddress user(GuestAddress address) const {
        return UserAddress{user_base + static_cast<std::uint64_t>(at(address) - base_)};
    }
    /// The other way.
    GuestAddress guest(UserAddress address) const {
        for (const RegionDescription& region : regions_) {
            const std::uint64_t offset = address.value - region.user_address.value;
            if (offset < region.size) {
                return {region.guest_address.value + offset};
            }
        }
        throw std::runtime_error("no address of the test's guest");
    }
    std::vector<std::byte> bytes(GuestAddress address, std::size_t count) const {
        return {at(address), at(address) + count};
    }
    void put(GuestAddress address, std::span<const std::byte> bytes) const {
        std::memcpy(at(address), bytes.data(), bytes.size());
    }

  private:
    UniqueFd fd_;
    std::vector<RegionDescription> regions_;
    std::uint64_t size_ = 0;
    std::byte* base_ = nullptr;
    std::vector<std::uint64_t> next_;  ///< of each region
    std::size_t turn_ = 0;
    bool spread_ = false;
};

}  // namespace skbtrail::device::test
