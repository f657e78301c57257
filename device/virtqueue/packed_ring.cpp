#include "device/virtqueue/packed_ring.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include <fmt/format.h>

namespace skbtrail::device {

namespace {

/// Everything but the flags, which say whether the rest may be looked at.
PackedDescriptor load_descriptor(const std::byte* at, std::uint16_t flags) noexcept {
    PackedDescriptor descriptor{};
    descriptor.address = load_field<std::uint64_t>(at);
    descriptor.length = load_field<std::uint32_t>(at + PackedParts::length);
    descriptor.id = load_field<std::uint16_t>(at + PackedParts::id);
    descriptor.flags = flags;
    return descriptor;
}

RingDescriptor as_buffer(const PackedDescriptor& descriptor) noexcept {
    return {descriptor.address, descriptor.length, descriptor.flags, 0};
}

}  // namespace

tl::expected<PackedRing, RingFault> PackedRing::open(std::shared_ptr<const GuestMemory> memory,
                                                     const RingAddresses& addresses,
                                                     std::uint32_t size, RingFeatures features,
                                                     std::uint32_t base) {
    if (size == 0 || size > max_ring_size) {
        return ring_fault(
            RingFaultKind::bad_size,
            fmt::format("a packed ring of {} descriptors: must be 1 to {}", size, max_ring_size));
    }
    PackedRing ring(std::move(memory), size, features);
    const auto descriptors =
        find_ring_part(ring.memory(), "descriptor ring", addresses.descriptors,
                       PackedParts::descriptor_bytes(size), PackedParts::descriptor_alignment);
    const auto driver_event =
        find_ring_part(ring.memory(), "driver event suppression", addresses.available,
                       PackedParts::event_bytes, PackedParts::event_alignment);
    const auto device_event =
        find_ring_part(ring.memory(), "device event suppression", addresses.used,
                       PackedParts::event_bytes, PackedParts::event_alignment);
    for (const auto* part : {&descriptors, &driver_event, &device_event}) {
        if (!*part) {
            return tl::make_unexpected(part->error());
        }
    }
    ring.descriptors_ = *descriptors;
    ring.driver_event_ = *driver_event;
    ring.device_event_ = *device_event;

    if (base == 0 && ring.is_untouched()) {
        base = initial_base;
    }
    const auto high = static_cast<std::uint16_t>(base >> 16);
    ring.next_ = PackedPlace::decode(static_cast<std::uint16_t>(base));
    ring.next_used_ = high == 0 ? ring.next_ : PackedPlace::decode(high);
    if (ring.next_.index >= size || ring.next_used_.index >= size ||
        ring.next_used_.distance_to(ring.next_, size) > size) {
        return ring_fault(RingFaultKind::bad_base,
                          fmt::format("a base of {:#x} is no two places in a ring of {} "
                                      "descriptors, at most as far apart as it is long",
                                      base, size));
    }
    ring.outstanding_ = ring.next_used_.distance_to(ring.next_, size);
    ring.decided_used_ = ring.next_used_;
    return ring;
}

bool PackedRing::is_untouched() const noexcept {
    bool offered = true;
    for (std::uint32_t index = 0; index < size_; ++index) {
        const std::byte* const at = descriptor_at(static_cast<std::uint16_t>(index));
        const auto flags = load_field<std::uint16_t>(at + PackedParts::flags);
        offered = offered && packed_is_available(flags, true);
        if (!offered && (load_field<std::uint64_t>(at) != 0 ||
                         load_field<std::uint64_t>(at + PackedParts::length) != 0)) {
            return false;
        }
    }
    return true;
}

tl::expected<std::uint16_t, RingFault> PackedRing::waiting() {
    PackedPlace place = next_;
    std::uint16_t chains = 0;
    for (std::uint32_t left = size_ - outstanding_; left > 0; --left) {
        const auto flags = load_field<std::uint16_t>(
            descriptor_at(place.index) + PackedParts::flags, std::memory_order_acquire);
        if (!packed_is_available(flags, place.wrap)) {
            break;
        }
        chains += (flags & descriptor_next) == 0 ? 1 : 0;
        place.advance(1, size_);
    }
    return chains;
}

tl::expected<std::size_t, RingFault> PackedRing::track(std::shared_ptr<const InflightArea> area,
                                                       unsigned queue) {
    auto inflight = PackedInflight::open(std::move(area), queue, descriptors_, size_, next_used_);
    if (!inflight) {
        return tl::make_unexpected(std::move(inflight.error()));
    }
    if (inflight->resumed()) {
        outstanding_ = inflight->places_left();
        next_used_ = inflight->next_used();
        decided_used_ = next_used_;
        next_ = next_used_;
        next_.advance(outstanding_, size_);
    }
    inflight_ = std::make_unique<PackedInflight>(std::move(*inflight));
    return inflight_->left().size();
}

tl::expected<std::size_t, RingFault> PackedRing::take_again(std::span<Chain> to) {
    std::size_t taken = 0;
    while (taken < std::min(to.size(), max_burst) && !inflight_->left().empty()) {
        const PackedInflight::Left& left = inflight_->left().front();
        ChainStorage& storage = pool_.take();
        for (const PackedDescriptor& descriptor : left.descriptors) {
            auto more = append(descriptor, next_.index, storage);
            if (!more) {
                pool_.give(storage);
                if (taken > 0) {
                    return taken;  // those are good; the next call finds this one again
                }
                more.error().message = fmt::format("chain in flight at entry {}: {}", left.entry,
                                                   more.error().message);
                return tl::make_unexpected(std::move(more.error()));
            }
        }
        to[taken++] = Chain(left.descriptors.back().id, next_.encode(),
                            static_cast<std::uint16_t>(left.descriptors.size()), &storage,
                            static_cast<std::uint16_t>(left.entry | Chain::again));
        inflight_->take_again();
    }
    return taken;
}

bool PackedRing::note_put_back(const Chain& chain) noexcept {
    const bool again = (chain.noted_ & Chain::again) != 0;
    if (again) {
        inflight_->put_back_again();
    } else {
        inflight_->put_back(chain.noted_);
    }
    return again;
}

tl::expected<std::size_t, RingFault> PackedRing::take_burst(std::span<Chain> to) {
    if (inflight_ && !inflight_->left().empty()) [[unlikely]] {
        return take_again(to);
    }
    const std::size_t wanted = std::min(to.size(), max_burst);
    std::size_t taken = 0;
    for (; taken < wanted; ++taken) {
        // Acquire: the rest of the descriptor, and of its chain, is read after it.
        const auto flags = load_field<std::uint16_t>(
            descriptor_at(next_.index) + PackedParts::flags, std::memory_order_acquire);
        if (!packed_is_available(flags, next_.wrap)) {
            if (seen_ahead_ > 0 && taken == 0) [[unlikely]] {
                // It would be waited for behind this place, and looked for here, without end.
                return ring_fault(RingFaultKind::offer_withdrawn,
                                  fmt::format("descriptor {} was made available, and is not any "
                                              "more before it was returned",
                                              next_.index));
            }
            break;
        }
        if (taken == 0) {
            prefetch_descriptors();
        }
        ChainStorage& storage = pool_.take();
        std::uint16_t id = 0;
        std::uint16_t places = 1;
        if (!walk_single(flags, storage, id)) {
            auto walked = walk(flags, storage, id);
            if (walked && inflight_ && !inflight_->has_room(*walked)) [[unlikely]] {
                walked = ring_fault(RingFaultKind::ring_overrun,
                                    "the driver cannot have seen yet that its places are free");
            }
            if (!walked) {
                pool_.give(storage);
                if (taken > 0) {
                    break;  // those are good; the next call finds this one again
                }
                walked.error().message =
                    fmt::format("chain at descriptor {}: {}", next_.index, walked.error().message);
                return tl::make_unexpected(std::move(walked.error()));
            }
            places = *walked;
        }
        to[taken] = Chain(id, next_.encode(), places, &storage);
        if (inflight_) [[unlikely]] {
            to[taken].noted_ = inflight_->taken(next_, places);
        }
        next_.advance(places, size_);
        outstanding_ += places;
        seen_ahead_ -= std::min<std::uint32_t>(seen_ahead_, places);
    }
    if (taken > 0) {
        likely_ = taken == wanted ? taken : 0;
    }
    return taken;
}

void PackedRing::prefetch_descriptors() const noexcept {
    PackedPlace place = next_;
    constexpr std::uint32_t in_a_line = cache_line_bytes / sizeof(PackedDescriptor);
    for (std::uint32_t i = 0; i < likely_ && i < size_; i += in_a_line) {
        // For writing: they will be returned in their place.
        __builtin_prefetch(descriptor_at(place.index), 1);
        place.advance(in_a_line, size_);
    }
}

bool PackedRing::walk_single(std::uint16_t flags, ChainStorage& chain, std::uint16_t& id) noexcept {
    if ((flags & (descriptor_next | descriptor_indirect)) != 0 || outstanding_ == size_ ||
        (inflight_ && !inflight_->has_room(1))) {
        return false;
    }
    const PackedDescriptor descriptor = load_descriptor(descriptor_at(next_.index), flags);
    id = descriptor.id;
    return buffers_.append_plain(as_buffer(descriptor), chain);
}

tl::expected<bool, RingFault> PackedRing::append(const PackedDescriptor& descriptor, unsigned place,
                                                 ChainStorage& chain) {
    const std::uint16_t flags = descriptor.flags;
    if ((flags & descriptor_indirect) != 0) {
        if (!features_.indirect) {
            return ring_fault(
                RingFaultKind::indirect_not_negotiated,
                fmt::format("descriptor {} is indirect, which was not negotiated", place));
        }
        if ((flags & descriptor_next) != 0) {
            return ring_fault(RingFaultKind::indirect_with_next,
                              fmt::format("descriptor {} is indirect and has a next", place));
        }
        if (auto walked = walk_table(descriptor, chain); !walked) {
            return tl::make_unexpected(std::move(walked.error()));
        }
        return false;
    }
    if (!buffers_.append_plain(as_buffer(descriptor), chain)) {
        if (auto added = buffers_.append(as_buffer(descriptor), chain); !added) {
            return tl::make_unexpected(std::move(added.error()));
        }
    }
    return (flags & descriptor_next) != 0;
}

tl::expected<std::uint16_t, RingFault> PackedRing::walk(std::uint16_t first_flags,
                                                        ChainStorage& chain, std::uint16_t& id) {
    PackedPlace place = next_;
    std::uint16_t flags = first_flags;
    // At most max_ring_size, which has 16 bits.
    const auto free = static_cast<std::uint16_t>(size_ - outstanding_);
    for (std::uint16_t places = 1; places <= free; ++places) {
        const PackedDescriptor descriptor = load_descriptor(descriptor_at(place.index), flags);
        id = descriptor.id;  // that of the last counts
        const auto more = append(descriptor, place.index, chain);
        if (!more) {
            return tl::make_unexpected(more.error());
        }
        if (!*more) {
            return places;
        }
        place.advance(1, size_);
        // Whether this one is available was decided with the first: the driver offers that last.
        flags = load_field<std::uint16_t>(descriptor_at(place.index) + PackedParts::flags);
    }
    if (outstanding_ == 0) {
        return ring_fault(
            RingFaultKind::loop,
            fmt::format("longer than the ring of {} descriptors, so it loops", size_));
    }
    return ring_fault(RingFaultKind::ring_overrun,
                      fmt::format("it runs over descriptors that were not returned yet: {} of {} "
                                  "are the device's",
                                  outstanding_, size_));
}

tl::expected<void, RingFault> PackedRing::walk_table(const PackedDescriptor& table,
                                                     ChainStorage& chain) {
    const RingDescriptor where = as_buffer(table);
    const auto entries = buffers_.check_table(where);
    if (!entries) {
        return tl::make_unexpected(entries.error());
    }
    // The table's length is the chain's; NEXT and the IDs in it mean nothing (2.8.7).
    for (std::uint32_t index = 0; index < *entries; ++index) {
        const RingDescriptor raw = buffers_.table_entry(where, index);
        // Flags are where a split descriptor has its next.
        const RingDescriptor entry{raw.address, raw.length, raw.next, 0};
        if ((entry.flags & descriptor_indirect) != 0) {
            return ring_fault(
                RingFaultKind::indirect_nested,
                fmt::format("entry {} of an indirect table is itself indirect", index));
        }
        if (auto added = buffers_.append(entry, chain); !added) {
            return added;
        }
    }
    BufferList::note_table(where, *entries, chain);
    return {};
}

void PackedRing::put_used(Chain&& chain, std::uint32_t written) noexcept {
    std::uint16_t flags = written > 0 ? descriptor_write : std::uint16_t{0};
    // Those that a batch passes over have no length of their own. Drivers that look at each used
    // length (all do that receive) do not expect it of chains that the device writes to.
    const bool batchable = features_.in_order && chain.writable_bytes() == 0;
    if (!batchable) {
        close_batch();
    }
    const PackedPlace at = batch_ ? batch_->at : next_used_;
    if (at.wrap) {
        flags |= packed_available | packed_used;
    }
    const std::uint64_t tail =
        written | std::uint64_t{chain.head()} << 32 | std::uint64_t{flags} << 48;
    if (batchable) {
        batch_ = Batch{at, tail};
    } else {
        put_used_descriptor(at, tail);
    }
    if (inflight_) [[unlikely]] {
        inflight_->used(chain.noted_ & static_cast<std::uint16_t>(~Chain::again));
    }
    next_used_.advance(chain.places_, size_);
    outstanding_ -= chain.places_;
    undecided_ += chain.places_;
    pool_.give(*chain.storage_);
}

void PackedRing::store_used() noexcept {
    for (std::size_t i = 1; i < used_count_; ++i) {
        store_field<std::uint64_t>(used_[i].at, used_[i].tail);
    }
    used_count_ = std::min<std::size_t>(used_count_, 1);
}

void PackedRing::close_batch() noexcept {
    if (batch_) {
        put_used_descriptor(batch_->at, batch_->tail);
        batch_.reset();
    }
}

void PackedRing::publish() noexcept {
    close_batch();
    if (inflight_) [[unlikely]] {
        inflight_->publishing(next_used_);
    }
    if (used_count_ > 0) {
        store_used();
        // Release: the other used descriptors, and the bytes in the buffers, are seen before it.
        store_field<std::uint64_t>(used_[0].at, used_[0].tail, std::memory_order_release);
        used_count_ = 0;
    }
    if (inflight_) [[unlikely]] {
        inflight_->published();
    }
}

CallDecision PackedRing::decide_call() noexcept {
    CallDecision decision;
    decision.packed = true;
    decision.before = decided_used_.encode();
    decision.now = next_used_.encode();
    decision.pending = undecided_ > 0;
    if (!decision.pending) {
        return decision;
    }
    // As in SplitRing::decide_call().
    std::atomic_thread_fence(std::memory_order_seq_cst);
    const auto event = load_field<std::uint32_t>(driver_event_);
    const auto flags = static_cast<std::uint16_t>(event >> 16 & event_flags_mask);
    if (flags == event_descriptor && features_.event_idx) {
        decision.by_event = true;
        decision.event = static_cast<std::uint16_t>(event);
        decision.first = !decided_once_;
        const PackedPlace at = PackedPlace::decode(decision.event);
        // A place that the ring does not have would never be passed: better one call too many.
        decision.astray = at.index >= size_;
        decision.wanted =
            decision.first || decision.astray || decided_used_.distance_to(at, size_) < undecided_;
    } else {
        decision.wanted = flags != event_disable;
    }
    decided_used_ = next_used_;
    undecided_ = 0;
    decided_once_ = true;
    return decision;
}

tl::expected<bool, RingFault> PackedRing::ask_for_kicks() noexcept {
    // Not next_: chains may be there that are too few for what we have to write.
    kicks_refused_ = false;
    PackedPlace seen = next_;
    seen.advance(seen_ahead_, size_);
    const std::uint32_t event = features_.event_idx
                                    ? seen.encode() | std::uint32_t{event_descriptor} << 16
                                    : std::uint32_t{event_enable} << 16;
    store_field<std::uint32_t>(device_event_, event);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (kicks_watched_) [[unlikely]] {
        kick_event_ = features_.event_idx ? std::optional(seen) : std::nullopt;
        decided_available_ = offered_until();
    }
    const auto flags = load_field<std::uint16_t>(descriptor_at(seen.index) + PackedParts::flags);
    return packed_is_available(flags, seen.wrap);
}

void PackedRing::refuse_kicks() noexcept {
    if (!kicks_refused_) {
        if (kicks_watched_) [[unlikely]] {
            decided_available_ = offered_until();
            kick_event_.reset();
        }
        store_field<std::uint32_t>(device_event_, std::uint32_t{event_disable} << 16);
        kicks_refused_ = true;
    }
}

PackedPlace PackedRing::offered_until() const noexcept {
    PackedPlace place = next_;
    std::uint32_t left = size_ - outstanding_;
    if (const auto known = next_.distance_to(decided_available_, size_); known <= left) {
        place = decided_available_;
        left -= known;
    }
    for (; left > 0; --left) {
        const auto flags =
            load_field<std::uint16_t>(descriptor_at(place.index) + PackedParts::flags);
        if (!packed_is_available(flags, place.wrap)) {
            break;
        }
        place.advance(1, size_);
    }
    return place;
}

KickDecision PackedRing::decide_kick() noexcept {
    KickDecision decision;
    decision.packed = true;
    decision.by_event = kick_event_.has_value();
    const PackedPlace until = offered_until();
    const std::uint32_t step = decided_available_.distance_to(until, size_);
    decision.before = decided_available_.encode();
    decision.now = until.encode();
    decision.event = kick_event_.value_or(PackedPlace{}).encode();
    decision.pending = step > 0;
    if (decision.pending) {
        decision.wanted = kick_event_ ? decided_available_.distance_to(*kick_event_, size_) < step
                                      : !kicks_refused_;
        decided_available_ = until;
    }
    return decision;
}

}  // namespace skbtrail::device
