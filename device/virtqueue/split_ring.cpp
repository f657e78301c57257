#include "device/virtqueue/split_ring.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <utility>

#include <fmt/format.h>

namespace skbtrail::device {

namespace {

RingDescriptor load_descriptor(const std::byte* at) noexcept {
    RingDescriptor descriptor{};
    descriptor.address = load_field<std::uint64_t>(at);
    descriptor.length = load_field<std::uint32_t>(at + 8);
    descriptor.flags = load_field<std::uint16_t>(at + 12);
    descriptor.next = load_field<std::uint16_t>(at + 14);
    return descriptor;
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
        find_ring_part(ring.memory(), "descriptor table", addresses.descriptors,
                       RingParts::descriptor_bytes(size), RingParts::descriptor_alignment);
    const auto available =
        find_ring_part(ring.memory(), "available ring", addresses.available,
                       RingParts::available_bytes(size), RingParts::available_alignment);
    const auto used = find_ring_part(ring.memory(), "used ring", addresses.used,
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
    ring.next_used_ = load_field<std::uint16_t>(ring.used_ + RingParts::used_index);
    ring.decided_used_ = ring.next_used_;
    // What the driver goes by until we write there.
    ring.kick_event_ = load_field<std::uint16_t>(ring.used_ + RingParts::available_event(size));
    return ring;
}

tl::expected<std::uint16_t, RingFault> SplitRing::waiting() {
    // Acquire: the entries up to the index, and the descriptors they name, are read after it.
    seen_available_ = load_field<std::uint16_t>(available_ + RingParts::available_index,
                                                std::memory_order_acquire);
    const auto count = static_cast<std::uint16_t>(seen_available_ - next_available_);
    if (count > size_) {
        return ring_fault(RingFaultKind::available_jump,
                          fmt::format("the available index went from {} to {}, further than the "
                                      "ring's {} entries",
                                      next_available_, seen_available_, size_));
    }
    return count;
}

tl::expected<std::size_t, RingFault> SplitRing::track(std::shared_ptr<const InflightArea> area,
                                                      unsigned queue) {
    auto inflight = SplitInflight::open(std::move(area), queue, size_, next_used_);
    if (!inflight) {
        return tl::make_unexpected(std::move(inflight.error()));
    }
    const std::size_t left = inflight->left().size();
    if (inflight->resumed()) {
        next_available_ = static_cast<std::uint16_t>(next_used_ + left);
        seen_available_ = next_available_;
    }
    inflight_ = std::make_unique<SplitInflight>(std::move(*inflight));
    return left;
}

tl::expected<std::size_t, RingFault> SplitRing::take_again(std::span<Chain> to) {
    std::size_t taken = 0;
    while (taken < std::min(to.size(), max_burst) && !inflight_->left().empty()) {
        const std::uint16_t head = inflight_->left().front();
        ChainStorage& storage = pool_.take();
        if (auto read = read_chain(head, storage); !read) {
            pool_.give(storage);
            if (taken > 0) {
                break;  // those are good; the next call finds this one again
            }
            return tl::make_unexpected(std::move(read.error()));
        }
        inflight_->take_again();
        to[taken++] = Chain(head, next_available_, 1, &storage, Chain::again);
    }
    return taken;
}

bool SplitRing::note_put_back(const Chain& chain) noexcept {
    const bool again = (chain.noted_ & Chain::again) != 0;
    if (again) {
        inflight_->put_back_again();
    } else {
        inflight_->put_back(chain.head());
    }
    return again;
}

tl::expected<void, RingFault> SplitRing::read_chain(std::uint16_t head, ChainStorage& storage) {
    return walk(head, storage).map_error([&](RingFault fault) {
        fault.message = fmt::format("chain at head {}: {}", head, fault.message);
        return fault;
    });
}

tl::expected<std::size_t, RingFault> SplitRing::take_burst(std::span<Chain> to) {
    if (inflight_ && !inflight_->left().empty()) [[unlikely]] {
        return take_again(to);
    }
    std::size_t there = static_cast<std::uint16_t>(seen_available_ - next_available_);
    if (there < to.size()) {
        const auto count = waiting();
        if (!count) {
            return tl::make_unexpected(count.error());
        }
        there = *count;
    }
    std::array<std::uint16_t, max_burst> heads;
    const std::size_t wanted = std::min({there, to.size(), heads.size()});
    // All heads before the first descriptor, all descriptors before the first buffer: while the
    // cache fetches the later ones, the earlier ones are worked on.
    for (std::size_t i = 0; i < wanted; ++i) {
        const std::size_t entry = (next_available_ + i) & (size_ - 1);
        heads[i] = load_field<std::uint16_t>(available_ + RingParts::available_ring + entry * 2);
        // A head that is past the table is not gone to, but prefetching one harms nobody.
        __builtin_prefetch(descriptor_at(heads[i]));
    }
    if (wanted == to.size()) {
        // Where they will be returned, if in order: ours for writing by then. A driver that is only
        // a few chains ahead still reads what was returned there before.
        constexpr std::size_t in_a_line = cache_line_bytes / RingParts::used_element_bytes;
        for (std::size_t i = 0; i < wanted; i += in_a_line) {
            __builtin_prefetch(used_element(static_cast<std::uint16_t>(next_available_ + i)), 1);
        }
    }
    for (std::size_t i = 0; i < wanted; ++i) {
        const std::uint16_t head = heads[i];
        ChainStorage& storage = pool_.take();
        tl::expected<void, RingFault> walked;
        if (head < size_ && walk_single(head, storage)) {
            // Most chains are one buffer.
        } else if (head >= size_) {
            walked = ring_fault(RingFaultKind::head_out_of_range,
                                fmt::format("available entry {} names descriptor {} of {}",
                                            next_available_, head, size_));
        } else {
            walked = read_chain(head, storage);
        }
        if (!walked) {
            pool_.give(storage);
            if (i > 0) {
                return i;  // those are good; the next call finds this one again
            }
            return tl::make_unexpected(std::move(walked.error()));
        }
        to[i] = Chain(head, next_available_++, 1, &storage);
        if (inflight_) [[unlikely]] {
            inflight_->taken(head);
        }
    }
    return wanted;
}

void SplitRing::publish() noexcept {
    close_batch();
    // Release: the elements, and the bytes in the buffers, are seen before the index.
    store_field<std::uint16_t>(used_ + RingParts::used_index, next_used_,
                               std::memory_order_release);
    if (inflight_) [[unlikely]] {
        inflight_->published(next_used_);
    }
}

CallDecision SplitRing::decide_call() noexcept {
    CallDecision decision;
    decision.before = decided_used_;
    decision.now = next_used_;
    decision.by_event = features_.event_idx;
    decision.pending = decided_used_ != next_used_;
    if (!decision.pending) {
        return decision;
    }
    // The driver sets its wish and then looks at the used index; we set the index and then look at
    // its wish. Without a full barrier on both sides each could miss the other.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (features_.event_idx) {
        decision.event = load_field<std::uint16_t>(available_ + RingParts::used_event(size_));
        // The first decision of a ring that goes on from elsewhere: what the driver knew about
        // the used index is unknown, so it is called.
        decision.first = !decided_once_;
        decision.wanted = decision.first || passes_event(decision.event, next_used_, decided_used_);
    } else {
        const auto flags = load_field<std::uint16_t>(available_ + RingParts::available_flags);
        decision.wanted = (flags & available_no_interrupt) == 0;
    }
    decided_used_ = next_used_;
    decided_once_ = true;
    return decision;
}

tl::expected<bool, RingFault> SplitRing::ask_for_kicks() {
    const std::uint16_t seen = seen_available_;
    kicks_refused_ = false;
    if (features_.event_idx) {
        // Not next_available_: chains may be there that are too few for what we have to write,
        // and the driver, whose index is past them, would never kick.
        store_field<std::uint16_t>(used_ + RingParts::available_event(size_), seen);
        kick_event_ = seen;
    } else {
        store_field<std::uint16_t>(used_ + RingParts::used_flags, 0);
    }
    // As in decide_call(), with the roles exchanged.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    return waiting().map([&](std::uint16_t) {
        decided_available_ = seen_available_;
        return seen_available_ != seen;
    });
}

void SplitRing::refuse_kicks() noexcept {
    // With EVENT_IDX an avail_event that is not moved refuses by itself: the index has passed it.
    if (!features_.event_idx && !kicks_refused_) {
        if (kicks_watched_) [[unlikely]] {
            pass_kicks_over();
        }
        store_field<std::uint16_t>(used_ + RingParts::used_flags, used_no_notify);
    }
    kicks_refused_ = true;
}

KickDecision SplitRing::decide_kick() noexcept {
    KickDecision decision;
    decision.before = decided_available_;
    decision.now = seen_available_;
    decision.by_event = features_.event_idx;
    decision.event = kick_event_;
    const auto step = static_cast<std::uint16_t>(seen_available_ - decided_available_);
    // What was passed over can be further than what was seen yet.
    decision.pending = step != 0 && step <= size_;
    if (decision.pending) {
        decision.wanted = features_.event_idx
                              ? passes_event(kick_event_, seen_available_, decided_available_)
                              : !kicks_refused_;
        decided_available_ = seen_available_;
    }
    return decision;
}

bool SplitRing::walk_single(std::uint16_t head, ChainStorage& chain) noexcept {
    const RingDescriptor descriptor = load_descriptor(descriptor_at(head));
    return (descriptor.flags & (descriptor_next | descriptor_indirect)) == 0 &&
           buffers_.append_plain(descriptor, chain);
}

tl::expected<void, RingFault> SplitRing::walk(std::uint16_t head, ChainStorage& chain) {
    std::uint16_t index = head;
    // A chain can name each descriptor of the table once; one that is longer has come back.
    for (std::uint32_t steps = 0; steps < size_; ++steps) {
        const RingDescriptor descriptor = load_descriptor(descriptor_at(index));
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
            return walk_table(descriptor, chain);
        }
        if (!buffers_.append_plain(descriptor, chain)) {
            if (auto appended = buffers_.append(descriptor, chain); !appended) {
                return appended;
            }
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

tl::expected<void, RingFault> SplitRing::walk_table(const RingDescriptor& table,
                                                    ChainStorage& chain) {
    const auto entries = buffers_.check_table(table);
    if (!entries) {
        return tl::make_unexpected(entries.error());
    }
    std::uint32_t index = 0;
    for (std::uint32_t steps = 0; steps < *entries; ++steps) {
        const RingDescriptor descriptor = buffers_.table_entry(table, index);
        if ((descriptor.flags & descriptor_indirect) != 0) {
            return ring_fault(
                RingFaultKind::indirect_nested,
                fmt::format("entry {} of an indirect table is itself indirect", index));
        }
        if (auto appended = buffers_.append(descriptor, chain); !appended) {
            return appended;
        }
        if ((descriptor.flags & descriptor_next) == 0) {
            BufferList::note_table(table, steps + 1, chain);
            return {};
        }
        if (descriptor.next >= *entries) {
            return ring_fault(RingFaultKind::next_out_of_range,
                              fmt::format("entry {} of an indirect table has next {} of {}", index,
                                          descriptor.next, *entries));
        }
        index = descriptor.next;
    }
    return ring_fault(
        RingFaultKind::loop,
        fmt::format("longer than its indirect table of {} entries, so it loops", *entries));
}

}  // namespace skbtrail::device
