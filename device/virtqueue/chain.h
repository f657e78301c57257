// A descriptor chain: buffers that the driver has lent to the device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "device/memory/address.h"

namespace skbtrail::device {

/// One buffer of a chain, as the driver described it.
struct ChainDescriptor {
    GuestAddress address;
    std::uint32_t length = 0;
    bool device_writable = false;
};

/// Move-only, because it is a loan: whoever takes a chain from a ring gives it back to that ring,
/// as used or as not taken. Its addresses were checked when it was taken; its spans are good for
/// as long as it is out. What lies in the buffers belongs to the guest, which may write to it at
/// any time: copy first, then look.
class Chain {
  public:
    Chain(Chain&&) noexcept = default;
    Chain& operator=(Chain&&) noexcept = default;
    Chain(const Chain&) = delete;
    Chain& operator=(const Chain&) = delete;

    /// Index of the first descriptor in the ring's table: the chain's name.
    std::uint16_t head() const noexcept { return head_; }
    /// Free-running index of the entry in the available ring that offered it.
    std::uint16_t available_index() const noexcept { return available_index_; }
    const std::vector<ChainDescriptor>& descriptors() const noexcept {
        return storage_.descriptors;
    }
    /// The device-readable bytes in order; a buffer that touches two regions is two spans.
    std::span<const std::span<std::byte>> readable() const noexcept {
        return std::span(storage_.segments).first(storage_.readable_segments);
    }
    /// The device-writable bytes, which follow them.
    std::span<const std::span<std::byte>> writable() const noexcept {
        return std::span(storage_.segments).subspan(storage_.readable_segments);
    }
    std::uint32_t readable_bytes() const noexcept { return storage_.readable_bytes; }
    std::uint32_t writable_bytes() const noexcept { return storage_.writable_bytes; }

  private:
    friend class SplitRing;

    /// What rings keep and use again, so that a chain costs no allocation.
    struct Storage {
        std::vector<ChainDescriptor> descriptors;
        std::vector<std::span<std::byte>> segments;
        std::size_t readable_segments = 0;
        std::uint32_t readable_bytes = 0;
        std::uint32_t writable_bytes = 0;

        void clear() {
            descriptors.clear();
            segments.clear();
            readable_segments = 0;
            readable_bytes = 0;
            writable_bytes = 0;
        }
    };

    Chain(std::uint16_t head, std::uint16_t available_index, Storage storage)
        : head_(head), available_index_(available_index), storage_(std::move(storage)) {}

    std::uint16_t head_;
    std::uint16_t available_index_;
    Storage storage_;
};

/// Copies from `segments`, after skipping `skip` bytes, as much as `to` holds or there is.
/// Returns the number of bytes copied.
std::size_t gather(std::span<const std::span<std::byte>> segments, std::size_t skip,
                   std::span<std::byte> to);
/// The other way.
std::size_t scatter(std::span<const std::span<std::byte>> segments, std::size_t skip,
                    std::span<const std::byte> from);

}  // namespace skbtrail::device
