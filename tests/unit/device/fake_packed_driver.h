// The driver's side of a packed virtqueue, for tests: FakeDriver's like, with the same verbs, and
// again every field within reach of a dishonest test.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <stdexcept>
#include <vector>

#include "device/virtqueue/packed_layout.h"
#include "device/virtqueue/ring.h"
#include "tests/unit/device/fake_driver.h"
#include "tests/unit/device/guest_ram.h"

namespace skbtrail::device::test {

class FakePackedDriver {
  public:
    using Used = FakeDriver::Used;
    using Piece = FakeDriver::Piece;
    using Offered = FakeDriver::Offered;

    /// `base` is where the ring starts, as SET_VRING_BASE says it; both its halves alike.
    FakePackedDriver(GuestRam& ram, std::uint32_t size, std::uint16_t start = 0x8000)
        : ram_(ram),
          size_(size),
          descriptors_(ram.allocate(PackedParts::descriptor_bytes(size), 16)),
          driver_event_(ram.allocate(PackedParts::event_bytes, 4)),
          device_event_(ram.allocate(PackedParts::event_bytes, 4)),
          next_(PackedPlace::decode(start)),
          next_used_(next_),
          free_places_(size) {
        for (std::uint32_t i = 0; i < size; ++i) {
            free_ids_.push_back(static_cast<std::uint16_t>(i));
            // As a driver leaves them that has been there: used in the lap before.
            const bool wrap = i < next_.index ? next_.wrap : !next_.wrap;
            set_flags(static_cast<std::uint16_t>(i), used_flags(wrap));
        }
    }

    RingAddresses addresses() const {
        return {ram_.user(descriptors_), ram_.user(driver_event_), ram_.user(device_event_)};
    }
    GuestAddress ring_address() const { return descriptors_; }
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
        Offered offer() { return driver_.offer(pieces_, indirect_); }

      private:
        friend class FakePackedDriver;
        explicit ChainBuilder(FakePackedDriver& driver) : driver_(driver) {}
        FakePackedDriver& driver_;
        std::vector<Piece> pieces_;
        bool indirect_ = false;
    };

    ChainBuilder chain() { return ChainBuilder(*this); }

    /// The next chain that the device has returned. With `in_order`, one used descriptor stands for
    /// all chains up to the one that it names: those before it come first, of length 0.
    std::optional<Used> take_used() {
        if (batched_.empty()) {
            const auto flags = load<std::uint16_t>(descriptors_, at(next_used_.index) + 14);
            const bool used = ((flags & packed_used) != 0) == next_used_.wrap &&
                              ((flags & packed_available) != 0) == next_used_.wrap;
            if (!used) {
                return std::nullopt;
            }
            const auto id = load<std::uint16_t>(descriptors_, at(next_used_.index) + 12);
            const auto length = load<std::uint32_t>(descriptors_, at(next_used_.index) + 8);
            ++used_descriptors;
            last_used_writes = (flags & descriptor_write) != 0;
            while (in_order && !order_.empty() && order_.front() != id) {
                batched_.push_back({order_.front(), 0});
                release(order_.front());
            }
            batched_.push_back({id, length});
            release(id);
        }
        const Used used = batched_.front();
        batched_.pop_front();
        return used;
    }

    /// Where the next chain will be offered, and the next used one expected.
    PackedPlace next() const { return next_; }
    PackedPlace next_used() const { return next_used_; }

    /// Flags of a descriptor that is offered at a place with this wrap counter.
    static std::uint16_t available_flags(bool wrap, std::uint16_t others = 0) {
        return static_cast<std::uint16_t>(others | (wrap ? packed_available : packed_used));
    }
    static std::uint16_t used_flags(bool wrap) {
        return wrap ? packed_available | packed_used : std::uint16_t{0};
    }

    // Every field.

    PackedDescriptor descriptor(std::uint16_t index) const {
        return *reinterpret_cast<PackedDescriptor*>(ram_.at(descriptors_) + at(index));
    }
    void set_descriptor(std::uint16_t index, const PackedDescriptor& descriptor) {
        *reinterpret_cast<PackedDescriptor*>(ram_.at(descriptors_) + at(index)) = descriptor;
    }
    void set_flags(std::uint16_t index, std::uint16_t flags) {
        store<std::uint16_t>(descriptors_, at(index) + 14, flags);
    }
    /// Whether and when the driver wants calls.
    void set_driver_event(std::uint16_t flags, std::uint16_t descriptor = 0) {
        store<std::uint16_t>(driver_event_, 0, descriptor);
        store<std::uint16_t>(driver_event_, 2, flags);
    }
    std::uint16_t device_event_flags() const { return load<std::uint16_t>(device_event_, 2); }
    std::uint16_t device_event_descriptor() const { return load<std::uint16_t>(device_event_, 0); }
    /// Whether offering one more at `place` would be a reason to kick.
    bool wants_kick(PackedPlace place) const {
        switch (device_event_flags()) {
            case event_enable:
                return true;
            case event_descriptor:
                return device_event_descriptor() == place.encode();
            default:
                return false;
        }
    }

    bool in_order = false;
    std::size_t used_descriptors = 0;  ///< that take_used() saw
    bool last_used_writes = false;     ///< WRITE in the last of them

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
    static std::size_t at(std::uint16_t index) { return std::size_t{16} * index; }

    Offered offer(const std::vector<Piece>& pieces, bool indirect) {
        const std::size_t places = indirect ? 1 : pieces.size();
        if (free_ids_.empty() || places > free_places_) {
            throw std::runtime_error("the test's driver has no descriptors left");
        }
        const std::uint16_t id = free_ids_.front();
        free_ids_.pop_front();
        free_places_ -= places;
        places_[id] = places;
        order_.push_back(id);

        const PackedPlace head = next_;
        std::uint16_t head_flags = 0;
        for (std::size_t i = 0; i < places; ++i) {
            PackedDescriptor descriptor{};
            std::uint16_t others = 0;
            if (indirect) {
                descriptor.address = write_table(pieces).value;
                descriptor.length = static_cast<std::uint32_t>(16 * pieces.size());
                others = descriptor_indirect;
            } else {
                descriptor.address = pieces[i].address.value;
                descriptor.length = pieces[i].length;
                others = pieces[i].writable ? descriptor_write : std::uint16_t{0};
                others |= i + 1 < places ? descriptor_next : std::uint16_t{0};
            }
            // Only that of the last counts; the others are there to be ignored.
            descriptor.id = i + 1 == places ? id : std::uint16_t{0x7777};
            const std::uint16_t flags = available_flags(next_.wrap, others);
            // The first comes last: the device looks at the rest once it is there.
            descriptor.flags = i == 0 ? this->descriptor(next_.index).flags : flags;
            head_flags = i == 0 ? flags : head_flags;
            set_descriptor(next_.index, descriptor);
            next_.advance(1, size_);
        }
        set_flags(head.index, head_flags);
        return {id, pieces};
    }
    GuestAddress write_table(const std::vector<Piece>& pieces) {
        const GuestAddress table = ram_.allocate(16 * pieces.size());
        for (std::size_t i = 0; i < pieces.size(); ++i) {
            const PackedDescriptor entry{pieces[i].address.value, pieces[i].length, 0x5555,
                                         pieces[i].writable ? descriptor_write : std::uint16_t{0}};
            std::memcpy(ram_.at(table) + 16 * i, &entry, sizeof entry);
        }
        return table;
    }
    void release(std::uint16_t id) {
        const auto found = places_.find(id);
        if (found == places_.end()) {
            throw std::runtime_error("the device returned a buffer that it does not have");
        }
        next_used_.advance(static_cast<std::uint32_t>(found->second), size_);
        free_places_ += found->second;
        places_.erase(found);
        // The first one, if the device keeps their order.
        if (const auto at = std::find(order_.begin(), order_.end(), id); at != order_.end()) {
            order_.erase(at);
        }
        free_ids_.push_back(id);
    }

    GuestRam& ram_;
    std::uint32_t size_;
    GuestAddress descriptors_;
    GuestAddress driver_event_;
    GuestAddress device_event_;
    PackedPlace next_;
    PackedPlace next_used_;
    std::size_t free_places_;
    std::deque<std::uint16_t> free_ids_;
    std::map<std::uint16_t, std::size_t> places_;  ///< of the chains that are out
    std::deque<std::uint16_t> order_;              ///< the chains that are out
    std::deque<Used> batched_;
};

}  // namespace skbtrail::device::test
