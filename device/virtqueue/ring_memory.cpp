#include "device/virtqueue/ring_memory.h"

#include <fmt/format.h>

namespace skbtrail::device {

tl::expected<std::byte*, RingFault> find_ring_part(const GuestMemory& memory, const char* name,
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

}  // namespace skbtrail::device
