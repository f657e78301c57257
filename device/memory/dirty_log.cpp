#include "device/memory/dirty_log.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <fmt/format.h>

namespace skbtrail::device {

namespace {

constexpr std::uint64_t pages_per_byte = 8;

/// The last address of a range that is not empty and, when it would wrap around, ends with the
/// address space.
std::uint64_t last_address(GuestAddress address, std::uint64_t length) {
    const std::uint64_t room = std::numeric_limits<std::uint64_t>::max() - address.value;
    return address.value + std::min(length - 1, room);
}

}  // namespace

Result<std::shared_ptr<DirtyLog>> DirtyLog::map(const UniqueFd& file, std::uint64_t offset,
                                                std::uint64_t size) {
    // A region like any other, except that its bytes are bits about other regions.
    auto region = Region::map({GuestAddress{0}, size, UserAddress{0}, offset}, file);
    if (!region) {
        return failure(fmt::format("dirty log of {:#x} bytes at offset {:#x} of its file: {}", size,
                                   offset, region.error().message));
    }
    return std::shared_ptr<DirtyLog>(new DirtyLog(std::move(*region)));
}

bool DirtyLog::covers(GuestAddress address, std::uint64_t length) const noexcept {
    if (length == 0) {
        return true;
    }
    if (length - 1 > std::numeric_limits<std::uint64_t>::max() - address.value) {
        return false;
    }
    return last_address(address, length) / page_bytes / pages_per_byte < size();
}

void DirtyLog::mark(GuestAddress address, std::uint64_t length) noexcept {
    if (length == 0) {
        return;
    }
    const std::uint64_t first = address.value / page_bytes;
    const std::uint64_t last = last_address(address, length) / page_bytes;
    const std::uint64_t pages = size() * pages_per_byte;
    if (last >= pages) {
        pages_past_end_ += last - std::max(first, pages) + 1;
        if (first >= pages) {
            return;
        }
    }
    const std::uint64_t end = std::min(last + 1, pages);
    std::byte* const bitmap = region_->bytes().data();
    for (std::uint64_t page = first; page < end;) {
        const std::uint64_t bit = page % pages_per_byte;
        const std::uint64_t count = std::min(end - page, pages_per_byte - bit);
        const auto bits = static_cast<std::uint8_t>(((1U << count) - 1U) << bit);
        // Not skipped when the bits are there already: only the read-modify-write keeps our write
        // to the page before a front end that takes the bit away just now and copies the page.
        std::atomic_ref(reinterpret_cast<std::uint8_t&>(bitmap[page / pages_per_byte]))
            .fetch_or(bits, std::memory_order_seq_cst);
        page += count;
    }
    modified_ = true;
}

bool DirtyLog::take_modified() noexcept {
    return std::exchange(modified_, false);
}

}  // namespace skbtrail::device
