// A descriptor chain: buffers that the driver has lent to the device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "device/memory/address.h"
#include "device/virtqueue/inline_list.h"
#include "device/virtqueue/layout.h"

namespace skbtrail::device {

/// One buffer of a chain, as the driver described it.
struct ChainDescriptor {
    GuestAddress address;
    std::uint32_t length = 0;
    bool device_writable = false;  ///< VIRTQ_DESC_F_WRITE
    bool next = false;             ///< VIRTQ_DESC_F_NEXT
};

/// What a chain shows. A ring has many and uses them again and again, so that a chain costs no
/// allocation and no more than its few pointers to move. Two cache lines, because a burst's worth
/// of them competes for the cache with the buffers and the ring.
struct alignas(cache_line_bytes) ChainStorage {
    std::uint32_t readable_bytes = 0;
    std::uint32_t writable_bytes = 0;
    std::uint32_t readable_segments = 0;
    /// How many buffers, the last ones, stand in an indirect table. If any do, one descriptor more
    /// follows the buffers': that of the table.
    std::uint32_t in_table = 0;
    InlineList<std::span<std::byte>, 2> segments;
    InlineList<ChainDescriptor, 2> descriptors;

    void clear() noexcept {
        readable_bytes = 0;
        writable_bytes = 0;
        readable_segments = 0;
        in_table = 0;
        segments.clear();
        descriptors.clear();
    }
};
static_assert(sizeof(ChainStorage) == 2 * cache_line_bytes);

/// Move-only, because it is a loan: whoever takes a chain from a ring gives it back to that ring,
/// as used or as not taken, and it is good until then. It shows what the ring keeps: when the ring
/// goes, so do the chains that are out. Its addresses were checked when it was taken. What lies in
/// the buffers belongs to the guest, which may write to it at any time: copy first, then look.
class Chain {
  public:
    /// No loan: a place to take one into.
    Chain() = default;
    Chain(Chain&&) noexcept = default;
    Chain& operator=(Chain&&) noexcept = default;
    Chain(const Chain&) = delete;
    Chain& operator=(const Chain&) = delete;

    /// The chain's name between driver and device while it is out: the index of its first
    /// descriptor in a split ring's table, the buffer ID in a packed ring.
    std::uint16_t head() const noexcept { return head_; }
    /// Where it was offered. Split: free-running index of the entry in the available ring. Packed:
    /// place of its first descriptor, and the driver's wrap counter in bit 15. Of a chain that was
    /// in flight when the device before this one was killed: where this one goes on.
    std::uint16_t available_index() const noexcept { return available_index_; }
    /// Its buffers, wherever their descriptors are.
    std::span<const ChainDescriptor> descriptors() const noexcept {
        const auto all = storage_->descriptors.values();
        return all.first(all.size() - (storage_->in_table > 0 ? 1 : 0));
    }
    /// How many of them, the last ones, stand in an indirect table (VIRTQ_DESC_F_INDIRECT).
    std::uint32_t in_table() const noexcept { return storage_->in_table; }
    /// That table; only if any do.
    const ChainDescriptor& table() const noexcept { return storage_->descriptors.values().back(); }
    /// The device-readable bytes in order; a buffer that touches two regions is two spans.
    std::span<const std::span<std::byte>> readable() const noexcept {
        return storage_->segments.values().first(storage_->readable_segments);
    }
    /// The device-writable bytes, which follow them.
    std::span<const std::span<std::byte>> writable() const noexcept {
        return storage_->segments.values().subspan(storage_->readable_segments);
    }
    std::uint32_t readable_bytes() const noexcept { return storage_->readable_bytes; }
    std::uint32_t writable_bytes() const noexcept { return storage_->writable_bytes; }

    /// How many chains ahead of the one that is worked on prefetch() pays: so that they have
    /// arrived by then, and so few that the processor, which keeps count of each line under way,
    /// drops none.
    static constexpr std::size_t prefetch_distance = 8;
    /// Has the cache fetch the first two lines, which will soon be read or written: for writing,
    /// what is written in any case, so that it is taken from the driver's processor at once and
    /// not asked for twice. Where drivers align frames, a header of virtio_net_hdr_v1's length ends
    /// where the frame's first line begins; such a header is looked at before it is written.
    void prefetch() const noexcept {
        const std::byte* const bytes = storage_->segments.values().front().data();
        constexpr std::uintptr_t header_bytes = 12;
        const bool header_apart =
            (reinterpret_cast<std::uintptr_t>(bytes) + header_bytes) % cache_line_bytes == 0;
        if (storage_->readable_bytes != 0) {
            __builtin_prefetch(bytes, 0);
            __builtin_prefetch(bytes + cache_line_bytes, 0);
            return;
        }
        if (header_apart) {
            __builtin_prefetch(bytes, 0);
        } else {
            __builtin_prefetch(bytes, 1);
        }
        __builtin_prefetch(bytes + cache_line_bytes, 1);
    }

  private:
    friend class SplitRing;
    friend class PackedRing;

    Chain(std::uint16_t head, std::uint16_t available_index, std::uint16_t places,
          ChainStorage* storage, std::uint16_t noted = 0) noexcept
        : storage_(storage),
          head_(head),
          available_index_(available_index),
          places_(places),
          noted_(noted) {}

    /// In `noted`: the chain was in flight before, and its ring's place is past it already.
    static constexpr std::uint16_t again = 0x8000;

    ChainStorage* storage_ = nullptr;
    std::uint16_t head_ = 0;
    std::uint16_t available_index_ = 0;
    std::uint16_t places_ = 0;  ///< descriptors of a packed ring that it takes up
    std::uint16_t noted_ = 0;   ///< `again`; packed: its entry in PackedInflight
};

/// A ring's chain storages: as many as were ever out at the same time, last returned, first taken,
/// because that one is in the cache.
class ChainPool {
  public:
    /// An empty one.
    ChainStorage& take() {
        if (free_.empty()) {
            grow();
        }
        ChainStorage& storage = *free_.back();
        free_.pop_back();
        storage.clear();
        return storage;
    }
    void give(ChainStorage& storage) noexcept {
        free_.push_back(&storage);  // never more than there are: reserved by grow()
    }

  private:
    static constexpr std::size_t block = 64;

    void grow() {
        blocks_.push_back(std::make_unique<ChainStorage[]>(block));
        free_.reserve(block * blocks_.size());
        for (std::size_t i = block; i > 0; --i) {
            free_.push_back(&blocks_.back()[i - 1]);
        }
    }

    std::vector<std::unique_ptr<ChainStorage[]>> blocks_;
    std::vector<ChainStorage*> free_;
};

/// gather() and scatter() for everything that is not one piece.
std::size_t gather_pieces(std::span<const std::span<std::byte>> segments, std::size_t skip,
                          std::span<std::byte> to);
std::size_t scatter_pieces(std::span<const std::span<std::byte>> segments, std::size_t skip,
                           std::span<const std::byte> from);

/// Copies from `segments`, after skipping `skip` bytes, as much as `to` holds or there is.
/// Returns the number of bytes copied.
inline std::size_t gather(std::span<const std::span<std::byte>> segments, std::size_t skip,
                          std::span<std::byte> to) {
    // Most chains are one buffer.
    if (!to.empty() && !segments.empty() && segments.front().size() >= skip &&
        segments.front().size() - skip >= to.size()) {
        std::memcpy(to.data(), segments.front().data() + skip, to.size());
        return to.size();
    }
    return gather_pieces(segments, skip, to);
}
/// The other way.
inline std::size_t scatter(std::span<const std::span<std::byte>> segments, std::size_t skip,
                           std::span<const std::byte> from) {
    if (!from.empty() && !segments.empty() && segments.front().size() >= skip &&
        segments.front().size() - skip >= from.size()) {
        std::memcpy(segments.front().data() + skip, from.data(), from.size());
        return from.size();
    }
    return scatter_pieces(segments, skip, from);
}

}  // namespace skbtrail::device
