#include "device/virtqueue/split_ring.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

#include <fmt/format.h>

namespace skbtrail::device {

namespace {

/// One reading of a field that the guest may write at the same time. Atomic so that the compiler
/// neither tears nor repeats it.
template <typename T>
T load(const std::byte* at, std::memory_order order = std::memory_order_relaxed) {
    // Alignment was checked when the ring was opened.
    return std::atomic_ref<T>(*reinterpret_cast<T*>(const_cast<std::byte*>(at))).load(order);
}

template <typename T>
void store(std::byte* at, T value, std::memory_order order = std::memory_order_relaxed) {
    std::atomic_ref<T>(*reinterpret_cast<T*>(at)).store(value, order);
}

RingDescriptor load_descriptor(const std::byte* at) {
    RingDescriptor descriptor{};
    descriptor.address = load<std::uint64_t>(at);
    descriptor.length = load<std::uint32_t>(at + 8);
    descriptor.flags = load<std::uint16_t>(at + 12);
    descriptor.next = load<std::uint16_t>(at + 14);
    return descriptor;
}

tl::expected<std::byte*, RingFault> find_part(const GuestMemory& memory, const char* name,
                                              UserAddress address, std::uint64_t bytes,
                                              std::uint64_t alignment) {
    if (address.value % alignment != 0) {
        return ring_fault(RingFaultKind::misaligned,
                          fmt::format("the {} at user address {:#x} is not aligned to {} bytes",
                                      name, address.value, alignment));
    }
    const auto span = memory.whole(address, bytes);
    if (!span) {
        return ring_fault(RingFaultKind::unmapped_ring,
                          fmt::format("the {} at user address {:#x}, {} bytes, is not inside one "
                                      "region of the memory table",
                                      name, address.value, bytes));
    }
    // A region whose user address and file offset disagree in their low bits would make an aligned
    // address an unaligned pointer.
    if (reinterpret_cast<std::uintptr_t>(span->data()) % alignment != 0) {
        return ring_fault(RingFaultKind::misaligned,
                          fmt::format("the {} at user address {:#x} lies in a region whose file "
                                      "offset breaks its alignment to {} bytes",
                                      name, address.value, alignment));
    }
    return span->data();
}

}  // namespace

tl::expected<SplitRing, RingFault> SplitRing::open(std::shared_ptr<const GuestMemory> memory,
                                                   const RingAddresses& addresses,
                                                   std::uint32_t size, RingFeatures features,
                                                   std::uint16_t next_available) {
    if (size == 0 || size > max_ring_size || !std::has_single_bit(size)) {
        return ring_fault(
            RingFaultKind::bad_size,
            fmt::format("a ring of {} entries: not a power of two up to {}", size, max_ring_size));
    }
    SplitRing ring(std::move(memory), size, features);
    const auto descriptors =
        find_part(*ring.memory_, "descriptor table", addresses.descriptors,
                  RingParts::descriptor_bytes(size), RingParts::descriptor_alignment);
    const auto available =
        find_part(*ring.memory_, "available ring", addresses.available,
                  RingParts::available_bytes(size), RingParts::available_alignment);
    const auto used = find_part(*ring.memory_, "used ring", addresses.used,
                                RingParts::used_bytes(size), RingParts::used_alignment);
    for (const auto* part : {&descriptors, &available, &used}) {
        if (!*part) {
            return tl::make_unexpected(part->error());
        }
    }
    ring.descriptors_ = *descriptors;
    ring.available_ = *available;
    ring.used_ = *used;
    ring.next_available_ = next_available;
    ring.seen_available_ = next_available;
    ring.next_used_ = load<std::uint16_t>(ring.used_ + RingParts::used_index);
    ring.decided_used_ = ring.next_used_;
    return ring;
}

tl::expected<std::uint16_t, RingFault> SplitRing::waiting() {
    // Acquire: the entries up to the index, and the descriptors they name, are read after it.
    seen_available_ =
        load<std::uint16_t>(available_ + RingParts::available_index, std::memory_order_acquire);
    const auto count = static_cast<std::uint16_t>(seen_available_ - next_available_);
    if (count > size_) {
        return ring_fault(RingFaultKind::available_jump,
                          fmt::format("the available index went from {} to {}, further than the "
                                      "ring's {} entries",
                                      next_available_, seen_available_, size_));
    }
    return count;
}

tl::expected<std::optional<Chain>, RingFault> SplitRing::take() {
    if (seen_available_ == next_available_) {
        const auto count = waiting();
        if (!count) {
            return tl::make_unexpected(count.error());
        }
        if (*count == 0) {
            return std::nullopt;
        }
    }
    const std::size_t entry = next_available_ & (size_ - 1);
    const auto head =
        load<std::uint16_t>(available_ + RingParts::available_ring + entry * sizeof(std::uint16_t));
    if (head >= size_) {
        return ring_fault(RingFaultKind::head_out_of_range,
                          fmt::format("available entry {} names descriptor {} of {}",
                                      next_available_, head, size_));
    }
    Chain::Storage storage = fresh_storage();
    if (auto walked = walk(head, storage); !walked) {
        walked.error().message =
            fmt::format("chain at head {}: {}", head, std::move(walked.error().message));
        return tl::make_unexpected(std::move(walked.error()));
    }
    return Chain(head, next_available_++, std::move(storage));
}

void SplitRing::put_back(Chain&& chain) {
    --next_available_;
    recycle(std::move(chain));
}

void SplitRing::put_used(Chain&& chain, std::uint32_t written) {
    const std::size_t entry = next_used_ & (size_ - 1);
    std::byte* const element = used_ + RingParts::used_ring + entry * 8;
    store<std::uint32_t>(element, chain.head());
    store<std::uint32_t>(element + 4, written);
    ++next_used_;
    recycle(std::move(chain));
}

void SplitRing::publish() {
    // Release: the elements, and the bytes in the buffers, are seen before the index.
    store<std::uint16_t>(used_ + RingParts::used_index, next_used_, std::memory_order_release);
}

SplitRing::CallDecision SplitRing::decide_call() {
    CallDecision decision;
    decision.before = decided_used_;
    decision.now = next_used_;
    decision.by_event = features_.event_idx;
    // The driver sets its wish and then looks at the used index; we set the index and then look at
    // its wish. Without a full barrier on both sides each could miss the other.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    decision.pending = decided_used_ != next_used_;
    if (!decision.pending) {
        return decision;
    }
    if (features_.event_idx) {
        decision.event = load<std::uint16_t>(available_ + RingParts::used_event(size_));
        // The first decision of a ring that goes on from elsewhere: what the driver knew about
        // the used index is unknown, so it is called.
        decision.first = !decided_once_;
        decision.wanted = decision.first || passes_event(decision.event, next_used_, decided_used_);
    } else {
        const auto flags = load<std::uint16_t>(available_ + RingParts::available_flags);
        decision.wanted = (flags & available_no_interrupt) == 0;
    }
    decided_used_ = next_used_;
    decided_once_ = true;
    return decision;
}

tl::expected<bool, RingFault> SplitRing::ask_for_kicks() {
    const std::uint16_t seen = seen_available_;
    if (features_.event_idx) {
        // Not next_available_: chains may be there that are too few for what we have to write,
        // and the driver, whose index is past them, would never kick.
        store<std::uint16_t>(used_ + RingParts::available_event(size_), seen);
    } else {
        store<std::uint16_t>(used_ + RingParts::used_flags, 0);
    }
    // As in decide_call(), with the roles exchanged.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    return waiting().map([&](std::uint16_t) { return seen_available_ != seen; });
}

void SplitRing::refuse_kicks() {
    // With EVENT_IDX an avail_event that is not moved refuses by itself: the index has passed it.
    if (!features_.event_idx) {
        store<std::uint16_t>(used_ + RingParts::used_flags, used_no_notify);
    }
}

tl::expected<void, RingFault> SplitRing::walk(std::uint16_t head, Chain::Storage& chain) const {
    std::uint16_t index = head;
    // A chain can name each descriptor of the table once; one that is longer has come back.
    for (std::uint32_t steps = 0; steps < size_; ++steps) {
        const RingDescriptor descriptor = load_descriptor(descriptors_ + std::size_t{16} * index);
        if ((descriptor.flags & descriptor_indirect) != 0) {
            if (!features_.indirect) {
                return ring_fault(
                    RingFaultKind::indirect_not_negotiated,
                    fmt::format("descriptor {} is indirect, which was not negotiated", index));
            }
            if ((descriptor.flags & descriptor_next) != 0) {
                return ring_fault(RingFaultKind::indirect_with_next,
                                  fmt::format("descriptor {} is indirect and has a next", index));
            }
            return walk_indirect(descriptor, chain);
        }
        if (auto appended = append(descriptor, chain); !appended) {
            return appended;
        }
        if ((descriptor.flags & descriptor_next) == 0) {
            return {};
        }
        if (descriptor.next >= size_) {
            return ring_fault(RingFaultKind::next_out_of_range,
                              fmt::format("descriptor {} has next {} in a table of {}", index,
                                          descriptor.next, size_));
        }
        index = descriptor.next;
    }
    return ring_fault(RingFaultKind::loop,
                      fmt::format("longer than the table of {} descriptors, so it loops", size_));
}

tl::expected<void, RingFault> SplitRing::walk_indirect(const RingDescriptor& table,
                                                       Chain::Storage& chain) const {
    if (table.length == 0 || table.length % sizeof(RingDescriptor) != 0) {
        return ring_fault(
            RingFaultKind::indirect_bad_length,
            fmt::format("an indirect table of {} bytes: not a multiple of {}, or empty",
                        table.length, sizeof(RingDescriptor)));
    }
    if (!memory_->covers(GuestAddress{table.address}, table.length)) {
        return ring_fault(RingFaultKind::indirect_unmapped,
                          fmt::format("an indirect table at {:#x}, {} bytes, that is not in the "
                                      "guest's memory",
                                      table.address, table.length));
    }
    const std::uint32_t entries = table.length / sizeof(RingDescriptor);
    std::uint32_t index = 0;
    for (std::uint32_t steps = 0; steps < entries; ++steps) {
        // Copied, not looked at in place: the table has no alignment, may touch two regions, and
        // changes when the guest likes.
        RingDescriptor descriptor{};
        memory_->read(GuestAddress{table.address + std::uint64_t{16} * index},
                      std::as_writable_bytes(std::span(&descriptor, 1)));
        if ((descriptor.flags & descriptor_indirect) != 0) {
            return ring_fault(
                RingFaultKind::indirect_nested,
                fmt::format("entry {} of an indirect table is itself indirect", index));
        }
        if (auto appended = append(descriptor, chain); !appended) {
            return appended;
        }
        if ((descriptor.flags & descriptor_next) == 0) {
            return {};
        }
        if (descriptor.next >= entries) {
            return ring_fault(RingFaultKind::next_out_of_range,
                              fmt::format("entry {} of an indirect table has next {} of {}", index,
                                          descriptor.next, entries));
        }
        index = descriptor.next;
    }
    return ring_fault(
        RingFaultKind::loop,
        fmt::format("longer than its indirect table of {} entries, so it loops", entries));
}

tl::expected<void, RingFault> SplitRing::append(const RingDescriptor& descriptor,
                                                Chain::Storage& chain) const {
    if (descriptor.length == 0) {
        return ring_fault(RingFaultKind::buffer_empty, "a buffer of no bytes");
    }
    if (chain.descriptors.size() >= std::max<std::size_t>(max_chain_descriptors, size_)) {
        return ring_fault(RingFaultKind::chain_too_long,
                          fmt::format("more than {} buffers", chain.descriptors.size()));
    }
    const bool writable = (descriptor.flags & descriptor_write) != 0;
    if (!writable && chain.writable_bytes > 0) {
        return ring_fault(RingFaultKind::wrong_order,
                          "a device-readable buffer after a device-writable one");
    }
    const std::uint64_t total = std::uint64_t{chain.readable_bytes} + chain.writable_bytes;
    if (total + descriptor.length > std::numeric_limits<std::uint32_t>::max()) {
        return ring_fault(RingFaultKind::buffer_too_large, "4 GiB of buffers or more");
    }
    GuestAddress address{descriptor.address};
    for (std::uint32_t left = descriptor.length; left > 0;) {
        const std::span<std::byte> bytes = memory_->contiguous(address, left);
        if (bytes.empty()) {
            return ring_fault(RingFaultKind::buffer_unmapped,
                              fmt::format("a buffer at {:#x}, {} bytes, that is not (all) in the "
                                          "guest's memory",
                                          descriptor.address, descriptor.length));
        }
        chain.segments.push_back(bytes);
        left -= static_cast<std::uint32_t>(bytes.size());
        address.value += bytes.size();
    }
    chain.descriptors.push_back({GuestAddress{descriptor.address}, descriptor.length, writable});
    if (writable) {
        chain.writable_bytes += descriptor.length;
    } else {
        chain.readable_bytes += descriptor.length;
        chain.readable_segments = chain.segments.size();
    }
    return {};
}

Chain::Storage SplitRing::fresh_storage() {
    if (spare_.empty()) {
        return {};
    }
    Chain::Storage storage = std::move(spare_.back());
    spare_.pop_back();
    storage.clear();
    return storage;
}

void SplitRing::recycle(Chain&& chain) {
    spare_.push_back(std::move(chain.storage_));
}

}  // namespace skbtrail::device
