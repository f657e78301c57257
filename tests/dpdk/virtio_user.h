// DPDK's virtio-user driver: a virtio-net front end without a virtual machine. What to ask it for,
// and what came of it.
#pragma once

#include <cstdint>
#include <string>

namespace skbtrail::dpdk {

/// The shape of the rings, as the driver is asked for it.
struct RingMode {
    bool packed = false;
    bool mergeable = true;
    bool in_order = false;
};

/// The feature bits that a mode decides (virtio 1.3, 5.1.3 and 6).
inline constexpr std::uint64_t mergeable_bit = std::uint64_t{1} << 15;
inline constexpr std::uint64_t packed_bit = std::uint64_t{1} << 34;
inline constexpr std::uint64_t in_order_bit = std::uint64_t{1} << 35;

/// What the driver is given.
struct VirtioUser {
    std::string socket;
    RingMode mode;
    unsigned queues = 1;       ///< pairs
    unsigned ring_size = 256;  ///< entries
    bool listens = false;      ///< it makes the socket, and the back end connects
};

/// The text for --vdev.
std::string describe_device(const VirtioUser& device);

/// Empty when `negotiated` has the bits that `mode` wants and none that it does not. Otherwise what
/// is wrong: "without in_order".
std::string difference(const RingMode& mode, std::uint64_t negotiated);

}  // namespace skbtrail::dpdk
