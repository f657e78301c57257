// The feature bits of a virtio network device: names, what we can do, what needs what.
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

// virtio 1.3, 5.1.3 (network device) and 6 (reserved bits).
inline constexpr Features feature_csum = feature_bit(0);        ///< VIRTIO_NET_F_CSUM
inline constexpr Features feature_guest_csum = feature_bit(1);  ///< VIRTIO_NET_F_GUEST_CSUM
inline constexpr Features feature_mtu = feature_bit(3);
inline constexpr Features feature_mac = feature_bit(5);
inline constexpr Features feature_guest_tso4 = feature_bit(7);
inline constexpr Features feature_guest_tso6 = feature_bit(8);
inline constexpr Features feature_host_tso4 = feature_bit(11);
inline constexpr Features feature_host_tso6 = feature_bit(12);
inline constexpr Features feature_mrg_rxbuf = feature_bit(15);
inline constexpr Features feature_status = feature_bit(16);
inline constexpr Features feature_indirect_desc = feature_bit(28);
inline constexpr Features feature_event_idx = feature_bit(29);
inline constexpr Features feature_version_1 = feature_bit(32);

/// A feature that this device knows.
struct FeatureName {
    Features bit;
    std::string_view name;     ///< as users write it: "mrg_rxbuf"
    Features needs;            ///< features without which it must not be offered (5.1.3.1)
    std::string_view meaning;  ///< for --help
};

/// All that this device can do, in the order of their bits.
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
/// a failure, as is one that is not among `possible`.
Result<Features> apply_feature_changes(Features features, const FeatureChanges& changes,
                                       Features possible);

}  // namespace skbtrail::device
