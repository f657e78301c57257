// The feature bits of a virtio network device: names, meanings, what needs what, what is offered.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "device/result.h"

namespace skbtrail::device {

/// A set of feature bits, or one.
using Features = std::uint64_t;

constexpr Features feature_bit(unsigned bit) {
    return Features{1} << bit;
}

// virtio 1.3, 5.1.3 (network device).
inline constexpr Features feature_csum = feature_bit(0);        ///< VIRTIO_NET_F_CSUM
inline constexpr Features feature_guest_csum = feature_bit(1);  ///< VIRTIO_NET_F_GUEST_CSUM
inline constexpr Features feature_ctrl_guest_offloads = feature_bit(2);
inline constexpr Features feature_mtu = feature_bit(3);
inline constexpr Features feature_mac = feature_bit(5);
inline constexpr Features feature_guest_tso4 = feature_bit(7);
inline constexpr Features feature_guest_tso6 = feature_bit(8);
inline constexpr Features feature_guest_ecn = feature_bit(9);
inline constexpr Features feature_guest_ufo = feature_bit(10);
inline constexpr Features feature_host_tso4 = feature_bit(11);
inline constexpr Features feature_host_tso6 = feature_bit(12);
inline constexpr Features feature_host_ecn = feature_bit(13);
inline constexpr Features feature_host_ufo = feature_bit(14);
inline constexpr Features feature_mrg_rxbuf = feature_bit(15);
inline constexpr Features feature_status = feature_bit(16);
inline constexpr Features feature_ctrl_vq = feature_bit(17);
inline constexpr Features feature_ctrl_rx = feature_bit(18);
inline constexpr Features feature_ctrl_vlan = feature_bit(19);
inline constexpr Features feature_ctrl_rx_extra = feature_bit(20);
inline constexpr Features feature_guest_announce = feature_bit(21);
inline constexpr Features feature_mq = feature_bit(22);
inline constexpr Features feature_ctrl_mac_addr = feature_bit(23);
inline constexpr Features feature_guest_uso4 = feature_bit(54);
inline constexpr Features feature_guest_uso6 = feature_bit(55);
inline constexpr Features feature_host_uso = feature_bit(56);
inline constexpr Features feature_speed_duplex = feature_bit(63);

// virtio 1.3, 6 (reserved bits).
inline constexpr Features feature_indirect_desc = feature_bit(28);
inline constexpr Features feature_event_idx = feature_bit(29);
inline constexpr Features feature_version_1 = feature_bit(32);
inline constexpr Features feature_ring_packed = feature_bit(34);
inline constexpr Features feature_in_order = feature_bit(35);

/// VHOST_F_LOG_ALL (vhost-user, "Migration"): what the device writes to the guest's memory is to
/// be logged. Between front end and back end alone: no driver sees it, and it may come and go
/// while queues run.
inline constexpr Features feature_log_all = feature_bit(26);

/// Segments that the driver may hand over, and those that it takes.
inline constexpr Features host_segment_features =
    feature_host_tso4 | feature_host_tso6 | feature_host_ecn | feature_host_ufo | feature_host_uso;
inline constexpr Features guest_segment_features = feature_guest_tso4 | feature_guest_tso6 |
                                                   feature_guest_ecn | feature_guest_ufo |
                                                   feature_guest_uso4 | feature_guest_uso6;
/// Commands of the control queue.
inline constexpr Features control_features = feature_ctrl_vq | feature_ctrl_rx |
                                             feature_ctrl_rx_extra | feature_ctrl_vlan |
                                             feature_ctrl_mac_addr | feature_ctrl_guest_offloads;

/// A feature that this device knows.
struct FeatureName {
    Features bit;
    std::string_view name;  ///< as users write it: "mrg_rxbuf"
    /// Features without all of which it must not be offered (5.1.3.1).
    Features needs;
    std::string_view meaning;  ///< for --help
    /// If any: features of which at least one must be there too (5.1.3.1, the ECN bits).
    Features needs_one_of = 0;
};

/// All that have a name, in the order of their bits.
const std::vector<FeatureName>& known_features();

/// Names of the bits in a set, separated by spaces; bits without a name as "bit 17".
std::string describe_features(Features features);

/// What a user wants different from the usual set.
struct FeatureChanges {
    Features add = 0;
    Features remove = 0;
};

/// Reads "+host_tso4,-mrg_rxbuf". Fails with a sentence that names the word and the known ones.
Result<FeatureChanges> parse_feature_changes(std::string_view text);

/// Applies them. A feature whose need is taken away goes with it, unless it was asked for: that is
/// a failure, as is one that is not among `possible`. `elsewhere`: what the front end offers the
/// driver by itself, so that needs for it are met (QEMU and its control queue).
Result<Features> apply_feature_changes(Features features, const FeatureChanges& changes,
                                       Features possible, Features elsewhere = 0);

}  // namespace skbtrail::device
