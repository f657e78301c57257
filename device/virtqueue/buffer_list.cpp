#include "device/virtqueue/buffer_list.h"

#include <algorithm>

#include <fmt/format.h>

namespace skbtrail::device {

tl::expected<void, RingFault> BufferList::append_any(const RingDescriptor& descriptor,
                                                     ChainStorage& chain) {
    if (descriptor.length == 0) {
        return ring_fault(RingFaultKind::buffer_empty, "a buffer of no bytes");
    }
    if (chain.descriptors.size() >= limit_) {
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
        const Region* const region = memory_->find(address);
        if (region == nullptr) {
            return ring_fault(RingFaultKind::buffer_unmapped,
                              fmt::format("a buffer at {:#x}, {} bytes, that is not (all) in the "
                                          "guest's memory",
                                          descriptor.address, descriptor.length));
        }
        region_address_ = region->description().guest_address.value;
        region_size_ = region->bytes().size();
        region_bytes_ = region->bytes().data();
        const std::uint64_t offset = address.value - region_address_;
        const auto part =
            static_cast<std::uint32_t>(std::min<std::uint64_t>(left, region_size_ - offset));
        chain.segments.push_back({region_bytes_ + offset, part});
        left -= part;
        address.value += part;
    }
    chain.descriptors.push_back(described(descriptor));
    if (writable) {
        chain.writable_bytes += descriptor.length;
    } else {
        chain.readable_bytes += descriptor.length;
        chain.readable_segments = static_cast<std::uint32_t>(chain.segments.size());
    }
    return {};
}

tl::expected<std::uint32_t, RingFault> BufferList::check_table(const RingDescriptor& table) const {
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
    return static_cast<std::uint32_t>(table.length / sizeof(RingDescriptor));
}

RingDescriptor BufferList::table_entry(const RingDescriptor& table,
                                       std::uint32_t index) const noexcept {
    RingDescriptor descriptor{};
    memory_->read(GuestAddress{table.address + std::uint64_t{16} * index},
                  std::as_writable_bytes(std::span(&descriptor, 1)));
    return descriptor;
}

}  // namespace skbtrail::device
