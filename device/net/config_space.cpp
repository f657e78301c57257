#include "device/net/config_space.h"

#include <cstring>

#include <fmt/format.h>

namespace skbtrail::device {

namespace {

constexpr std::uint16_t status_link_up = 1;   // VIRTIO_NET_S_LINK_UP
constexpr std::uint16_t status_announce = 2;  // VIRTIO_NET_S_ANNOUNCE
constexpr std::uint8_t duplex_full = 1;

/// As the driver sees it.
struct Layout {
    ConfigSpace::Mac mac;
    std::uint16_t status;
    std::uint16_t pairs;
    std::uint16_t mtu;
    std::uint32_t speed;
    std::uint8_t duplex;
    std::uint8_t rss_key_size;
    std::uint16_t rss_table_length;
    std::uint32_t hash_types;
};
static_assert(sizeof(Layout) == ConfigSpace::size);

Layout lay_out(const ConfigSpace& space) {
    Layout layout{};
    layout.mac = space.mac;
    layout.status = static_cast<std::uint16_t>((space.link_up ? status_link_up : 0) |
                                               (space.announce ? status_announce : 0));
    layout.pairs = space.pairs;
    layout.mtu = space.mtu;
    layout.speed = space.speed;
    layout.duplex = duplex_full;
    return layout;
}

Result<> check_range(std::uint32_t offset, std::size_t bytes) {
    if (offset > ConfigSpace::size || bytes > ConfigSpace::size - offset) {
        return failure(fmt::format("the configuration space has {} bytes, not {} at {}",
                                   ConfigSpace::size, bytes, offset));
    }
    return {};
}

}  // namespace

Result<> ConfigSpace::read(std::uint32_t offset, std::span<std::byte> to) const {
    if (auto inside = check_range(offset, to.size()); !inside) {
        return inside;
    }
    const Layout layout = lay_out(*this);
    std::memcpy(to.data(), reinterpret_cast<const std::byte*>(&layout) + offset, to.size());
    return {};
}

Result<> ConfigSpace::restore(std::uint32_t offset, std::span<const std::byte> from) {
    if (auto inside = check_range(offset, from.size()); !inside) {
        return inside;
    }
    Layout layout = lay_out(*this);
    std::memcpy(reinterpret_cast<std::byte*>(&layout) + offset, from.data(), from.size());
    if (layout.mtu < smallest_mtu) {
        return failure(fmt::format("an MTU of {}: must be at least {}", layout.mtu, smallest_mtu));
    }
    mac = layout.mac;
    announce = (layout.status & status_announce) != 0;
    mtu = layout.mtu;
    return {};
}

}  // namespace skbtrail::device
