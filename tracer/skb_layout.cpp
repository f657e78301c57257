#include "tracer/skb_layout.h"

#include <algorithm>
#include <cstring>

namespace skbtrail::tracer {

std::uint64_t read_member(std::span<const std::byte> bytes, const Member& member) {
    if (member.size == 0 || member.size > 64) return 0;
    const std::size_t first = member.offset / 8;
    const unsigned shift = member.offset % 8;
    const std::size_t used = (shift + member.size + 7) / 8;
    // A bit field that lies across nine bytes does not occur: compilers keep them in their unit.
    if (used > sizeof(std::uint64_t) || first + used > bytes.size()) return 0;
    std::uint64_t value = 0;
    std::memcpy(&value, bytes.data() + first, used);
    value >>= shift;
    return member.size == 64 ? value : value & ((std::uint64_t{1} << member.size) - 1);
}

}  // namespace skbtrail::tracer
