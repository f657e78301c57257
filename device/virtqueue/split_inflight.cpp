#include "device/virtqueue/split_inflight.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "device/virtqueue/ring_memory.h"

namespace skbtrail::device {

tl::expected<SplitInflight, RingFault> SplitInflight::open(std::shared_ptr<const InflightArea> area,
                                                           unsigned queue, std::uint32_t ring_size,
                                                           std::uint16_t used_index) {
    if (ring_size > area->queue_size()) {
        return inflight_fault(fmt::format("it is for {} descriptors, and the ring has {}",
                                          area->queue_size(), ring_size));
    }
    const auto at = area->part(queue, false);
    if (!at) {
        return tl::make_unexpected(at.error());
    }
    SplitInflight inflight(std::move(area), *at);
    if (load_field<std::uint16_t>(*at + offsetof(Header, version)) == 0) {
        inflight.begin(used_index);
        return inflight;
    }
    inflight.resumed_ = true;
    if (auto resumed = inflight.resume(ring_size, used_index); !resumed) {
        return tl::make_unexpected(std::move(resumed.error()));
    }
    return inflight;
}

void SplitInflight::begin(std::uint16_t used_index) noexcept {
    const Header header{0, 0, area_->queue_size(), 0, used_index};
    std::memcpy(at_, &header, sizeof header);
    std::memset(entry(0), 0, sizeof(Entry) * header.desc_num);
    store_field(at_ + offsetof(Header, version), inflight_version, std::memory_order_release);
}

tl::expected<void, RingFault> SplitInflight::resume(std::uint32_t ring_size,
                                                    std::uint16_t used_index) {
    // A copy: what the front end changes from here on changes nothing.
    Header header{};
    std::memcpy(&header, at_, sizeof header);
    std::vector<Entry> entries(area_->queue_size());
    std::memcpy(entries.data(), entry(0), sizeof(Entry) * entries.size());

    if (header.version != inflight_version || header.features != 0) {
        return inflight_fault(
            fmt::format("version {}, features {:#x}, and only version {} without is known",
                        header.version, header.features, inflight_version));
    }
    if (header.desc_num != area_->queue_size()) {
        return inflight_fault(fmt::format("it has {} descriptors, and was said to have {}",
                                          header.desc_num, area_->queue_size()));
    }
    // Killed between showing the driver a batch and noting that.
    const auto last_batch = static_cast<std::uint16_t>(used_index - header.used_idx);
    if (last_batch > ring_size) {
        return inflight_fault(fmt::format("it stands at used index {}, and the ring at {}",
                                          header.used_idx, used_index));
    }
    std::uint16_t head = header.last_batch_head;
    for (std::uint16_t i = 0; i < last_batch; ++i) {
        if (head >= ring_size) {
            return inflight_fault(
                fmt::format("descriptor {} of {} was returned last", head, ring_size));
        }
        entries[head].inflight = 0;
        store_field<std::uint8_t>(entry(head), 0);
        head = entries[head].next;
    }
    store_field(at_ + offsetof(Header, used_idx), used_index, std::memory_order_release);

    for (std::size_t i = 0; i < entries.size(); ++i) {
        if (entries[i].inflight == 0) {
            continue;
        }
        if (i >= ring_size) {
            return inflight_fault(fmt::format("descriptor {} of {} is in flight", i, ring_size));
        }
        left_.push_back(static_cast<std::uint16_t>(i));
        counter_ = std::max(counter_, entries[i].counter + 1);
    }
    std::ranges::stable_sort(left_, {},
                             [&](std::uint16_t index) { return entries[index].counter; });
    last_batch_head_ = header.last_batch_head;
    return {};
}

void SplitInflight::taken(std::uint16_t head) noexcept {
    store_field(entry(head) + offsetof(Entry, counter), counter_++);
    store_field<std::uint8_t>(entry(head), 1, std::memory_order_release);
}

void SplitInflight::put_back(std::uint16_t head) noexcept {
    store_field<std::uint8_t>(entry(head), 0, std::memory_order_release);
}

void SplitInflight::used(std::uint16_t head) {
    store_field(entry(head) + offsetof(Entry, next), last_batch_head_);
    last_batch_head_ = head;
    store_field(at_ + offsetof(Header, last_batch_head), head, std::memory_order_release);
    batch_.push_back(head);
}

void SplitInflight::published(std::uint16_t used_index) noexcept {
    for (const std::uint16_t head : batch_) {
        store_field<std::uint8_t>(entry(head), 0, std::memory_order_release);
    }
    batch_.clear();
    store_field(at_ + offsetof(Header, used_idx), used_index, std::memory_order_release);
}

}  // namespace skbtrail::device
