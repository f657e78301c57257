// The commands of the control queue (virtio 1.3, 5.1.6.5): what their bytes mean.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "device/net/config_space.h"
#include "device/net/features.h"
#include "device/net/receive_filter.h"
#include "device/result.h"

namespace skbtrail::device {

/// What commands change in a device besides its filter.
class ControlTarget {
  public:
    virtual ~ControlTarget() = default;
    /// How many pairs the driver uses from now on, from the first on. Fails outside of 1 to the
    /// number that there are.
    virtual Result<> use_pairs(unsigned pairs) = 0;
    /// What the NIC may hand over from now on. Fails for what was not negotiated, and for a set
    /// whose needs are not in it.
    virtual Result<> set_guest_offloads(Features offloads) = 0;
    /// The driver has announced itself.
    virtual void announced() = 0;
    /// The station has another address, which is no group's.
    virtual void set_mac(const ReceiveFilter::Mac& mac) = 0;

  protected:
    ControlTarget() = default;
    ControlTarget(const ControlTarget&) = default;
    ControlTarget& operator=(const ControlTarget&) = default;
};

/// The longest command that is looked at: two full tables of addresses.
inline constexpr std::size_t max_control_bytes =
    2 + 2 * (sizeof(std::uint32_t) + ReceiveFilter::most_addresses * sizeof(ReceiveFilter::Mac));

/// Carries out `command` (class, command, data; all from the guest, already copied), as far as
/// `negotiated` allows it. A failure is a sentence; the driver is told VIRTIO_NET_ERR, and nothing
/// has changed.
Result<> execute_control(std::span<const std::byte> command, Features negotiated,
                         ReceiveFilter& filter, ControlTarget& target);

}  // namespace skbtrail::device
