// From descriptors to buffers: what makes a chain out of what a driver wrote, in either format.
//
// Each buffer is checked and translated here, once. Nearly all of them lie in the region of the
// one before, so that region is remembered and asked first.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <utility>

#include <tl/expected.hpp>

#include "device/memory/guest_memory.h"
#include "device/virtqueue/chain.h"
#include "device/virtqueue/fault.h"
#include "device/virtqueue/layout.h"

namespace skbtrail::device {

class BufferList {
  public:
    /// The most buffers that a chain may have when it uses an indirect table. The specification's
    /// bound is the ring's size, which drivers exceed with indirect tables; this is the bound
    /// that other devices set (IOV_MAX).
    static constexpr std::size_t max_buffers = 1024;

    /// For a ring of `ring_size`: a chain may have that many buffers, or max_buffers if that is
    /// more.
    BufferList(std::shared_ptr<const GuestMemory> memory, std::uint32_t ring_size)
        : memory_(std::move(memory)), limit_(std::max<std::size_t>(max_buffers, ring_size)) {}

    /// Adds the buffer of a descriptor to a chain, or leaves both alone and says what is wrong.
    tl::expected<void, RingFault> append(const RingDescriptor& descriptor, ChainStorage& chain) {
        return append_plain(descriptor, chain) ? tl::expected<void, RingFault>()
                                               : append_any(descriptor, chain);
    }
    /// Does it for the common case: a buffer in one piece in the region of the one before, in a
    /// chain of few. False: nothing was done, and append() will know more.
    bool append_plain(const RingDescriptor& descriptor, ChainStorage& chain) noexcept {
        const std::uint64_t offset = descriptor.address - region_address_;
        const bool writable = (descriptor.flags & descriptor_write) != 0;
        if (offset >= region_size_ || descriptor.length > region_size_ - offset ||
            descriptor.length == 0 || chain.segments.full() || chain.descriptors.full() ||
            chain.descriptors.size() >= limit_ || (!writable && chain.writable_bytes > 0)) {
            return false;
        }
        // Neither comes near 4 GiB, so their sum needs no looking at.
        if (descriptor.length > plain_bytes ||
            std::uint64_t{chain.readable_bytes} + chain.writable_bytes > plain_bytes) {
            return false;
        }
        (writable ? chain.writable_bytes : chain.readable_bytes) += descriptor.length;
        chain.segments.append({region_bytes_ + offset, descriptor.length});
        chain.descriptors.append(described(descriptor));
        chain.readable_segments += writable ? 0 : 1;
        return true;
    }
    /// The bytes of an indirect table, checked; how many entries it has.
    tl::expected<std::uint32_t, RingFault> check_table(const RingDescriptor& table) const;
    /// When the chain ends with a table's last entry: notes the table, and that so many of the
    /// buffers, at least one, are entries of it.
    static void note_table(const RingDescriptor& table, std::uint32_t entries,
                           ChainStorage& chain) {
        chain.descriptors.push_back(described(table));
        chain.in_table = entries;
    }
    /// One entry of a table that was checked. Copied, not looked at in place: the table has no
    /// alignment, may touch two regions, and changes when the guest likes.
    RingDescriptor table_entry(const RingDescriptor& table, std::uint32_t index) const noexcept;

    const GuestMemory& memory() const noexcept { return *memory_; }

  private:
    static constexpr std::uint32_t plain_bytes = std::uint32_t{1} << 28;

    static ChainDescriptor described(const RingDescriptor& descriptor) noexcept {
        return {GuestAddress{descriptor.address}, descriptor.length,
                (descriptor.flags & descriptor_write) != 0,
                (descriptor.flags & descriptor_next) != 0};
    }
    tl::expected<void, RingFault> append_any(const RingDescriptor& descriptor, ChainStorage& chain);

    std::shared_ptr<const GuestMemory> memory_;
    std::size_t limit_;
    // The region that was found last.
    std::uint64_t region_address_ = 0;
    std::uint64_t region_size_ = 0;
    std::byte* region_bytes_ = nullptr;
};

}  // namespace skbtrail::device
