// The driver's side of a split virtqueue, for tests: an honest one that offers chains and takes
// them back, with every field within reach of a dishonest test.
//
//     FakeDriver driver(ram, 8);
//     const auto chain = driver.chain().readable(header).readable(frame).offer();
//     ...
//     REQUIRE(driver.take_used()->head == chain.head);
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <stdexcept>
#include <vector>

#include "device/virtqueue/layout.h"
#include "device/virtqueue/ring.h"
#include "tests/unit/device/guest_ram.h"

namespace skbtrail::device::test {

class FakeDriver {
  public:
    struct Used {
        std::uint32_t head;
        std::uint32_t length;
    };
    struct Piece {
        GuestAddress address;
        std::uint32_t length;
        bool writable;
    };
    struct Offered {
        std::uint16_t head;
        std::vector<Piece> pieces;
    };

    /// `start` is where the free-running indexes begin.
    FakeDriver(GuestRam& ram, std::uint32_t size, std::uint16_t start = 0)
        : ram_(ram),
          size_(size),
          descriptors_(ram.allocate(RingParts::descriptor_bytes(size), 16)),
          available_(ram.allocate(RingParts::available_bytes(size), 2)),
          used_(ram.allocate(RingParts::used_bytes(size), 4)),
          next_available_(start),
          next_used_(start) {
        for (std::uint32_t i = 0; i < size; ++i) {
            free_.push_back(static_cast<std::uint16_t>(i));
        }
        set_available_index(start);
        store<std::uint16_t>(used_, RingParts::used_index, start);
    }

    RingAddresses addresses() const {
        return {ram_.user(descriptors_), ram_.user(available_), ram_.user(used_)};
    }
    std::uint32_t size() const { return size_; }

    class ChainBuilder {
      public:
        /// A device-readable buffer with this content.
        ChainBuilder& readable(std::span<const std::byte> bytes) {
            const GuestAddress address = driver_.ram_.allocate(bytes.size(), 1);
            driver_.ram_.put(address, bytes);
            return piece({address, static_cast<std::uint32_t>(bytes.size()), false});
        }
        /// A device-writable buffer.
        ChainBuilder& writable(std::uint32_t length) {
            return piece({driver_.ram_.allocate(length, 1), length, true});
        }
        /// Any buffer, there or not.
        ChainBuilder& piece(const Piece& any) {
            pieces_.push_back(any);
            return *this;
        }
        /// One descriptor that names a table of all buffers.
        ChainBuilder& indirect() {
            indirect_ = true;
            return *this;
        }
        /// Writes the descriptors and makes the chain available.
        Offered offer() {
            Offered offered = lay_out();
            driver_.offer_head(offered.head);
            return offered;
        }
        /// Writes the descriptors only.
        Offered lay_out() {
            const auto head =
                indirect_ ? driver_.lay_out_indirect(pieces_) : driver_.lay_out_direct(pieces_);
            return {head, pieces_};
        }

      private:
        friend class FakeDriver;
        explicit ChainBuilder(FakeDriver& driver) : driver_(driver) {}
        FakeDriver& driver_;
        std::vector<Piece> pieces_;
        bool indirect_ = false;
    };

    ChainBuilder chain() { return ChainBuilder(*this); }

    /// Makes a chain that is laid out available.
    void offer_head(std::uint16_t head) {
        set_available_entry(next_available_, head);
        order_.push_back(head);
        ++next_available_;
        set_available_index(next_available_);
    }

    /// The next chain that the device has returned.
    std::optional<Used> take_used() {
        if (used_index() == next_used_) {
            return std::nullopt;
        }
        const Used used = used_element(next_used_);
        ++next_used_;
        release(static_cast<std::uint16_t>(used.head));
        return used;
    }
    /// What stands in the used ring where the element with this index goes.
    Used used_element(std::uint16_t index) const {
        const std::size_t at = RingParts::used_ring + std::size_t{8} * (index % size_);
        return {load<std::uint32_t>(used_, at), load<std::uint32_t>(used_, at + 4)};
    }
    /// Takes back the oldest `count` chains, as a driver does that knows their order (IN_ORDER).
    void take_used_in_order(std::size_t count) {
        for (; count > 0; --count) {
            release(order_.at(0));
            ++next_used_;
        }
    }

    // Every field.

    RingDescriptor descriptor(std::uint16_t index) const {
        return *reinterpret_cast<RingDescriptor*>(at_descriptor(index));
    }
    void set_descriptor(std::uint16_t index, const RingDescriptor& descriptor) {
        *reinterpret_cast<RingDescriptor*>(at_descriptor(index)) = descriptor;
    }
    void set_available_entry(std::uint16_t index, std::uint16_t head) {
        store<std::uint16_t>(available_,
                             RingParts::available_ring + std::size_t{2} * (index % size_), head);
    }
    void set_available_index(std::uint16_t index) {
        store<std::uint16_t>(available_, RingParts::available_index, index);
    }
    std::uint16_t available_index() const { return next_available_; }
    void set_available_flags(std::uint16_t flags) {
        store<std::uint16_t>(available_, RingParts::available_flags, flags);
    }
    void set_used_event(std::uint16_t index) {
        store<std::uint16_t>(available_, RingParts::used_event(size_), index);
    }
    std::uint16_t used_index() const { return load<std::uint16_t>(used_, RingParts::used_index); }
    std::uint16_t used_flags() const { return load<std::uint16_t>(used_, RingParts::used_flags); }
    std::uint16_t available_event() const {
        return load<std::uint16_t>(used_, RingParts::available_event(size_));
    }

  private:
    template <typename T>
    T load(GuestAddress part, std::size_t offset) const {
        return std::atomic_ref<T>(*reinterpret_cast<T*>(ram_.at(part) + offset))
            .load(std::memory_order_seq_cst);
    }
    template <typename T>
    void store(GuestAddress part, std::size_t offset, T value) {
        std::atomic_ref<T>(*reinterpret_cast<T*>(ram_.at(part) + offset))
            .store(value, std::memory_order_seq_cst);
    }
    std::byte* at_descriptor(std::uint16_t index) const {
        return ram_.at(descriptors_) + std::size_t{16} * index;
    }
    std::uint16_t take_free() {
        if (free_.empty()) {
            throw std::runtime_error("the test's driver has no descriptors left");
        }
        const std::uint16_t index = free_.front();
        free_.pop_front();
        return index;
    }
    static RingDescriptor describe(const Piece& piece) {
        return {piece.address.value, piece.length,
                piece.writable ? descriptor_write : std::uint16_t{0}, 0};
    }
    std::uint16_t lay_out_direct(const std::vector<Piece>& pieces) {
        std::vector<std::uint16_t> indexes;
        for (std::size_t i = 0; i < pieces.size(); ++i) {
            indexes.push_back(take_free());
        }
        for (std::size_t i = 0; i < pieces.size(); ++i) {
            RingDescriptor descriptor = describe(pieces[i]);
            if (i + 1 < pieces.size()) {
                descriptor.flags |= descriptor_next;
                descriptor.next = indexes[i + 1];
            }
            set_descriptor(indexes[i], descriptor);
        }
        return indexes.front();
    }
    std::uint16_t lay_out_indirect(const std::vector<Piece>& pieces) {
        const GuestAddress table = ram_.allocate(16 * pieces.size());
        for (std::size_t i = 0; i < pieces.size(); ++i) {
            RingDescriptor descriptor = describe(pieces[i]);
            if (i + 1 < pieces.size()) {
                descriptor.flags |= descriptor_next;
                descriptor.next = static_cast<std::uint16_t>(i + 1);
            }
            std::memcpy(ram_.at(table) + 16 * i, &descriptor, sizeof descriptor);
        }
        const std::uint16_t head = take_free();
        set_descriptor(head, {table.value, static_cast<std::uint32_t>(16 * pieces.size()),
                              descriptor_indirect, 0});
        return head;
    }
    void release(std::uint16_t head) {
        if (const auto found = std::find(order_.begin(), order_.end(), head);
            found != order_.end()) {
            order_.erase(found);
        }
        std::uint16_t index = head;
        for (std::uint32_t i = 0; i < size_; ++i) {
            const RingDescriptor freed = descriptor(index);
            free_.push_back(index);
            if ((freed.flags & descriptor_next) == 0) {
                return;
            }
            index = freed.next;
        }
    }

    GuestRam& ram_;
    std::uint32_t size_;
    GuestAddress descriptors_;
    GuestAddress available_;
    GuestAddress used_;
    std::uint16_t next_available_;
    std::uint16_t next_used_;
    std::deque<std::uint16_t> free_;
    std::deque<std::uint16_t> order_;  ///< heads of the chains that are out
};

}  // namespace skbtrail::device::test
