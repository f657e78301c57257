#include "device/virtqueue/packed_inflight.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include "device/virtqueue/ring_memory.h"

namespace skbtrail::device {

namespace {

constexpr std::uint16_t both_marks = packed_available | packed_used;

bool says_used(std::uint16_t flags, bool wrap) {
    return (flags & both_marks) == (wrap ? both_marks : 0);
}

}  // namespace

struct PackedInflight::Snapshot {
    Header header{};
    std::vector<Entry> entries;
};

PackedInflight::PackedInflight(std::shared_ptr<const InflightArea> area, std::byte* at,
                               std::byte* ring, std::uint32_t ring_size)
    : area_(std::move(area)),
      at_(at),
      ring_(ring),
      ring_size_(ring_size),
      links_(area_->queue_size()) {}

tl::expected<PackedInflight, RingFault> PackedInflight::open(
    std::shared_ptr<const InflightArea> area, unsigned queue, std::byte* ring,
    std::uint32_t ring_size, PackedPlace next_used) {
    if (ring_size > area->queue_size()) {
        return inflight_fault(fmt::format("it is for {} descriptors, and the ring has {}",
                                          area->queue_size(), ring_size));
    }
    const auto at = area->part(queue, true);
    if (!at) {
        return tl::make_unexpected(at.error());
    }
    PackedInflight inflight(std::move(area), *at, ring, ring_size);
    if (load_field<std::uint16_t>(*at + offsetof(Header, version)) == 0) {
        inflight.begin(next_used);
        return inflight;
    }
    inflight.resumed_ = true;
    if (auto resumed = inflight.resume(); !resumed) {
        return tl::make_unexpected(std::move(resumed.error()));
    }
    return inflight;
}

void PackedInflight::begin(PackedPlace next_used) noexcept {
    const auto count = static_cast<std::uint16_t>(links_.size());
    std::memset(entry(0), 0, sizeof(Entry) * count);
    for (std::uint16_t i = 0; i < count; ++i) {
        links_[i].next = static_cast<std::uint16_t>(i + 1);
        store_field(entry(i) + offsetof(Entry, next), links_[i].next);
    }
    free_head_ = 0;
    free_ = count;
    next_used_ = next_used;
    const auto wrap = static_cast<std::uint8_t>(next_used.wrap ? 1 : 0);
    const Header header{0, 0, count, 0, 0, next_used.index, next_used.index, wrap, wrap, {}};
    std::memcpy(at_, &header, sizeof header);
    store_field(at_ + offsetof(Header, version), inflight_version, std::memory_order_release);
}

tl::expected<void, RingFault> PackedInflight::resume() {
    // A copy: what the front end changes from here on changes nothing.
    Snapshot snapshot;
    std::memcpy(&snapshot.header, at_, sizeof snapshot.header);
    snapshot.entries.resize(links_.size());
    std::memcpy(snapshot.entries.data(), entry(0), sizeof(Entry) * links_.size());

    Header& header = snapshot.header;
    if (header.version != inflight_version || header.features != 0) {
        return inflight_fault(
            fmt::format("version {}, features {:#x}, and only version {} without is known",
                        header.version, header.features, inflight_version));
    }
    if (header.desc_num != links_.size()) {
        return inflight_fault(fmt::format("it has {} descriptors, and was said to have {}",
                                          header.desc_num, links_.size()));
    }
    if (auto decided = finish_or_undo(header); !decided) {
        return decided;
    }
    next_used_ = {header.used_idx, header.used_wrap_counter != 0};
    auto known = walk_free_list(snapshot);
    if (!known) {
        return tl::make_unexpected(std::move(known.error()));
    }
    if (auto collected = collect(snapshot, *known); !collected) {
        return collected;
    }
    offer_again();
    return {};
}

tl::expected<void, RingFault> PackedInflight::finish_or_undo(Header& header) const {
    if (header.used_idx >= ring_size_ || header.old_used_idx >= ring_size_) {
        return inflight_fault(
            fmt::format("it stands at {}, before that at {}, in a ring of {} descriptors",
                        header.used_idx, header.old_used_idx, ring_size_));
    }
    const PackedPlace now{header.used_idx, header.used_wrap_counter != 0};
    const PackedPlace before{header.old_used_idx, header.old_used_wrap_counter != 0};
    // The driver looks at the first place of a batch, which is written last. It may have offered
    // something else there since.
    const bool seen =
        now != before &&
        !packed_is_available(load_field<std::uint16_t>(flags_at(before.index)), before.wrap);
    const PackedPlace decided = seen ? now : before;
    header.free_head = seen ? header.free_head : header.old_free_head;
    header.used_idx = decided.index;
    header.used_wrap_counter = decided.wrap ? 1 : 0;
    store_field(at_ + offsetof(Header, free_head), header.free_head);
    store_field(at_ + offsetof(Header, old_free_head), header.free_head, std::memory_order_release);
    store_places(decided, decided);
    return {};
}

void PackedInflight::store_places(PackedPlace now, PackedPlace before) const noexcept {
    struct Places {
        std::uint16_t now;
        std::uint16_t before;
        std::uint8_t now_wrap;
        std::uint8_t before_wrap;
        std::uint8_t padding[2];
    };
    static_assert(offsetof(Header, old_used_idx) == offsetof(Header, used_idx) + 2);
    static_assert(offsetof(Header, used_wrap_counter) == offsetof(Header, used_idx) + 4);
    static_assert(offsetof(Header, old_used_wrap_counter) == offsetof(Header, used_idx) + 5);
    const Places places{now.index,
                        before.index,
                        static_cast<std::uint8_t>(now.wrap ? 1 : 0),
                        static_cast<std::uint8_t>(before.wrap ? 1 : 0),
                        {}};
    store_field(at_ + offsetof(Header, used_idx), std::bit_cast<std::uint64_t>(places),
                std::memory_order_release);
}

tl::expected<std::vector<bool>, RingFault> PackedInflight::walk_free_list(
    const Snapshot& snapshot) {
    std::vector<bool> known(links_.size());
    free_head_ = snapshot.header.free_head;
    for (std::size_t index = free_head_; index < links_.size();
         index = snapshot.entries[index].next) {
        if (known[index]) {
            return inflight_fault(fmt::format("its free entries lead back to {}", index));
        }
        known[index] = true;
        links_[index].next = snapshot.entries[index].next;
        store_field<std::uint8_t>(entry(static_cast<std::uint16_t>(index)), 0);
        ++free_;
    }
    return known;
}

tl::expected<void, RingFault> PackedInflight::collect(const Snapshot& snapshot,
                                                      std::vector<bool>& known) {
    std::uint32_t places = 0;
    for (std::size_t first = 0; first < links_.size(); ++first) {
        const Entry& head = snapshot.entries[first];
        if (head.inflight == 0 || known[first]) {
            continue;
        }
        places += head.num;
        if (head.num == 0 || places > ring_size_) {
            return inflight_fault(
                fmt::format("entry {} is a chain of {} descriptors, of {} in flight, in a "
                            "ring of {}",
                            first, head.num, places, ring_size_));
        }
        Left chain{static_cast<std::uint16_t>(first), {}};
        std::size_t index = first;
        for (std::uint16_t i = 0; i < head.num; ++i) {
            if (i > 0) {
                index = snapshot.entries[index].next;
            }
            if (index >= links_.size() || known[index] ||
                (i > 0 && snapshot.entries[index].inflight != 0)) {
                return inflight_fault(fmt::format(
                    "the chain of entry {} leads to {}, which is not its own", first, index));
            }
            known[index] = true;
            const Entry& one = snapshot.entries[index];
            links_[index].next = one.next;
            chain.descriptors.push_back({one.addr, one.len, one.id, one.flags});
        }
        links_[first].last = static_cast<std::uint16_t>(index);
        links_[first].count = head.num;
        counter_ = std::max(counter_, head.counter + 1);
        left_.push_back(std::move(chain));
    }
    std::ranges::stable_sort(
        left_, {}, [&](const Left& chain) { return snapshot.entries[chain.entry].counter; });
    return {};
}

void PackedInflight::offer_again() const noexcept {
    PackedPlace place = next_used_;
    for (std::uint32_t left = places_left(); left > 0; --left) {
        std::byte* const flags = flags_at(place.index);
        const auto seen = load_field<std::uint16_t>(flags);
        if (says_used(seen, place.wrap)) {
            const auto others = static_cast<std::uint16_t>(seen & ~both_marks);
            store_field<std::uint16_t>(
                flags,
                static_cast<std::uint16_t>(others | (place.wrap ? packed_available : packed_used)));
        }
        place.advance(1, ring_size_);
    }
}

std::uint32_t PackedInflight::places_left() const noexcept {
    const auto all = left();
    return std::accumulate(all.begin(), all.end(), 0U, [](std::uint32_t sum, const Left& chain) {
        return sum + static_cast<std::uint32_t>(chain.descriptors.size());
    });
}

std::uint16_t PackedInflight::taken(PackedPlace first, std::uint16_t places) noexcept {
    const std::uint16_t head = free_head_;
    std::uint16_t index = head;
    std::uint16_t last = head;
    PackedPlace place = first;
    for (std::uint16_t i = 0; i < places; ++i) {
        // Read again, and maybe not what was taken: that is for the driver to mind.
        const std::byte* const from = ring_ + std::size_t{16} * place.index;
        std::byte* const to = entry(index);
        store_field(to + offsetof(Entry, addr), load_field<std::uint64_t>(from));
        store_field(to + offsetof(Entry, len),
                    load_field<std::uint32_t>(from + PackedParts::length));
        store_field(to + offsetof(Entry, id), load_field<std::uint16_t>(from + PackedParts::id));
        store_field(to + offsetof(Entry, flags),
                    load_field<std::uint16_t>(from + PackedParts::flags));
        last = index;
        index = links_[index].next;
        place.advance(1, ring_size_);
    }
    links_[head].last = last;
    links_[head].count = places;
    free_ -= places;
    free_head_ = index;
    std::byte* const at = entry(head);
    store_field(at + offsetof(Entry, num), places);
    store_field(at + offsetof(Entry, last), last);
    store_field(at + offsetof(Entry, counter), counter_++);
    store_field<std::uint8_t>(at, 1, std::memory_order_release);
    store_field(at_ + offsetof(Header, free_head), free_head_, std::memory_order_release);
    store_field(at_ + offsetof(Header, old_free_head), free_head_, std::memory_order_release);
    return head;
}

void PackedInflight::set_free_head(std::uint16_t index) noexcept {
    const Link& freed = links_[index];
    links_[freed.last].next = free_head_;
    store_field(entry(freed.last) + offsetof(Entry, next), free_head_, std::memory_order_release);
    free_head_ = index;
    free_ += freed.count;
    store_field(at_ + offsetof(Header, free_head), index, std::memory_order_release);
}

void PackedInflight::put_back(std::uint16_t index) noexcept {
    set_free_head(index);
    store_field(at_ + offsetof(Header, old_free_head), index, std::memory_order_release);
    store_field<std::uint8_t>(entry(index), 0, std::memory_order_release);
}

void PackedInflight::publishing(PackedPlace next_used) noexcept {
    for (const std::uint16_t index : batch_) {
        set_free_head(index);
    }
    store_places(next_used, next_used_);
    next_used_ = next_used;
}

void PackedInflight::published() noexcept {
    for (const std::uint16_t index : batch_) {
        store_field<std::uint8_t>(entry(index), 0, std::memory_order_release);
    }
    batch_.clear();
    store_field(at_ + offsetof(Header, old_free_head), free_head_, std::memory_order_release);
    store_places(next_used_, next_used_);
}

}  // namespace skbtrail::device
