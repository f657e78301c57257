#include "device/virtqueue/inflight_area.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include "device/virtqueue/inflight_layout.h"
#include "device/virtqueue/layout.h"
#include "device/virtqueue/ring_memory.h"

namespace skbtrail::device {

namespace {

// Both formats have it at the same place.
static_assert(offsetof(SplitInflightHeader, version) == offsetof(PackedInflightHeader, version));
constexpr std::size_t version_offset = offsetof(SplitInflightHeader, version);

std::uint64_t part_bytes(std::uint64_t entries, bool packed) {
    const std::uint64_t bytes =
        packed ? sizeof(PackedInflightHeader) + entries * sizeof(PackedInflightEntry)
               : sizeof(SplitInflightHeader) + entries * sizeof(SplitInflightEntry);
    return (bytes + InflightArea::alignment - 1) / InflightArea::alignment *
           InflightArea::alignment;
}

Result<> check_numbers(std::uint16_t queues, std::uint16_t queue_size) {
    if (queues == 0 || queues > InflightArea::max_queues) {
        return failure(
            fmt::format("of {} queues: must be 1 to {}", queues, InflightArea::max_queues));
    }
    if (queue_size == 0 || queue_size > max_ring_size) {
        return failure(
            fmt::format("of queues of {} descriptors: must be 1 to {}", queue_size, max_ring_size));
    }
    return {};
}

}  // namespace

Result<std::pair<UniqueFd, InflightDescription>> InflightArea::create(std::uint16_t queues,
                                                                      std::uint16_t queue_size,
                                                                      bool packed) {
    if (auto possible = check_numbers(queues, queue_size); !possible) {
        return failure("chains in flight " + possible.error().message);
    }
    const InflightDescription description{queues * part_bytes(queue_size, packed), 0, queues,
                                          queue_size};
    UniqueFd file(::memfd_create("skbtrail-inflight", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!file || ::ftruncate(file.get(), static_cast<off_t>(description.size)) != 0 ||
        ::fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        return failure(fmt::format("no memory of {} bytes for chains in flight: {}",
                                   description.size, std::strerror(errno)));
    }
    return std::pair(std::move(file), description);
}

Result<std::shared_ptr<const InflightArea>> InflightArea::map(
    const UniqueFd& file, const InflightDescription& description) {
    const auto refuse = [&](const std::string& why) {
        return failure(fmt::format("memory for chains in flight, {:#x} bytes at offset {:#x}: {}",
                                   description.size, description.offset, why));
    };
    if (auto possible = check_numbers(description.queues, description.queue_size); !possible) {
        return refuse(possible.error().message);
    }
    if (description.offset % alignof(PackedInflightEntry) != 0) {
        return refuse("the offset is not aligned to 8 bytes");
    }
    const std::uint64_t least = description.queues * part_bytes(description.queue_size, false);
    if (description.size < least) {
        return refuse(fmt::format("{} queues of {} descriptors need {:#x}", description.queues,
                                  description.queue_size, least));
    }
    auto region =
        Region::map({GuestAddress{0}, description.size, UserAddress{0}, description.offset}, file);
    if (!region) {
        return refuse(region.error().message);
    }
    return std::shared_ptr<const InflightArea>(new InflightArea(std::move(*region), description));
}

tl::expected<std::byte*, RingFault> InflightArea::part(unsigned queue, bool packed) const {
    const std::uint64_t bytes = part_bytes(description_.queue_size, packed);
    if ((queue + std::uint64_t{1}) * bytes > description_.size) {
        return ring_fault(
            RingFaultKind::bad_inflight,
            fmt::format("its chains in flight have no room: {:#x} bytes for {} queues of {} "
                        "descriptors, in the {} format",
                        description_.size, description_.queues, description_.queue_size,
                        packed ? "packed" : "split"));
    }
    return region_->bytes().data() + queue * bytes;
}

bool InflightArea::in_use(unsigned queue, bool packed) const {
    const auto at = part(queue, packed);
    return at && load_field<std::uint16_t>(*at + version_offset) != 0;
}

void InflightArea::forget(bool packed) const {
    for (unsigned queue = 0; queue < queues(); ++queue) {
        if (const auto at = part(queue, packed)) {
            store_field<std::uint16_t>(*at + version_offset, 0);
        }
    }
}

tl::unexpected<RingFault> inflight_fault(std::string_view why) {
    return ring_fault(RingFaultKind::bad_inflight,
                      fmt::format("what is noted of its chains in flight: {}", why));
}

}  // namespace skbtrail::device
