#include "device/virtqueue/chain.h"

#include <algorithm>
#include <cstring>

namespace skbtrail::device {

namespace {

/// Calls copy(segment part, offset in the other buffer) for each part until `wanted` bytes.
template <typename Copy>
std::size_t walk(std::span<const std::span<std::byte>> segments, std::size_t skip,
                 std::size_t wanted, Copy copy) {
    std::size_t done = 0;
    for (std::span<std::byte> segment : segments) {
        if (done == wanted) {
            break;
        }
        if (skip >= segment.size()) {
            skip -= segment.size();
            continue;
        }
        segment = segment.subspan(skip);
        skip = 0;
        const std::size_t part = std::min(segment.size(), wanted - done);
        copy(segment.first(part), done);
        done += part;
    }
    return done;
}

}  // namespace

std::size_t gather_pieces(std::span<const std::span<std::byte>> segments, std::size_t skip,
                          std::span<std::byte> to) {
    return walk(segments, skip, to.size(), [&](std::span<std::byte> part, std::size_t offset) {
        std::memcpy(to.data() + offset, part.data(), part.size());
    });
}

std::size_t scatter_pieces(std::span<const std::span<std::byte>> segments, std::size_t skip,
                           std::span<const std::byte> from) {
    return walk(segments, skip, from.size(), [&](std::span<std::byte> part, std::size_t offset) {
        std::memcpy(part.data(), from.data() + offset, part.size());
    });
}

}  // namespace skbtrail::device
