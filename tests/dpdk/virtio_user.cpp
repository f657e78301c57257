#include "tests/dpdk/virtio_user.h"

#include <fmt/format.h>

namespace skbtrail::dpdk {

std::string describe_device(const VirtioUser& device) {
    return fmt::format(
        "net_virtio_user0,path={},queues={},queue_size={},packed_vq={},mrg_rxbuf={},in_order={}{}",
        device.socket, device.queues, device.ring_size, device.mode.packed ? 1 : 0,
        device.mode.mergeable ? 1 : 0, device.mode.in_order ? 1 : 0,
        device.listens ? ",server=1" : "");
}

std::string difference(const RingMode& mode, std::uint64_t negotiated) {
    std::string text;
    const auto compare = [&](bool wanted, std::uint64_t bit, const char* name) {
        const bool has = (negotiated & bit) != 0;
        if (has != wanted) {
            text +=
                fmt::format("{}{} {}", text.empty() ? "" : ", ", wanted ? "without" : "with", name);
        }
    };
    compare(mode.packed, packed_bit, "packed");
    compare(mode.mergeable, mergeable_bit, "mrg_rxbuf");
    compare(mode.in_order, in_order_bit, "in_order");
    return text;
}

}  // namespace skbtrail::dpdk
