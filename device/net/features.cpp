#include "device/net/features.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace skbtrail::device {

const std::vector<FeatureName>& known_features() {
    constexpr Features guest_tso = feature_guest_tso4 | feature_guest_tso6;
    constexpr Features host_tso = feature_host_tso4 | feature_host_tso6;
    static const std::vector<FeatureName> features = {
        {feature_csum, "csum", 0, "the driver may leave checksums to the NIC"},
        {feature_guest_csum, "guest_csum", 0, "the NIC may hand over frames without checksums"},
        {feature_ctrl_guest_offloads, "ctrl_guest_offloads", feature_ctrl_vq,
         "the driver may change what the NIC hands over while it runs"},
        {feature_mtu, "mtu", 0, "the front end may tell the driver an MTU"},
        {feature_mac, "mac", 0, "the configuration space holds a MAC address (see --serve-config)"},
        {feature_guest_tso4, "guest_tso4", feature_guest_csum,
         "the NIC may hand over large TCP/IPv4 segments"},
        {feature_guest_tso6, "guest_tso6", feature_guest_csum,
         "the NIC may hand over large TCP/IPv6 segments"},
        {feature_guest_ecn, "guest_ecn", 0, "large TCP segments to the driver may have ECN bits",
         guest_tso},
        {feature_guest_ufo, "guest_ufo", feature_guest_csum,
         "the NIC may hand over large UDP datagrams, to be fragmented"},
        {feature_host_tso4, "host_tso4", feature_csum,
         "the driver may leave segmentation of TCP/IPv4 to the NIC"},
        {feature_host_tso6, "host_tso6", feature_csum,
         "the driver may leave segmentation of TCP/IPv6 to the NIC"},
        {feature_host_ecn, "host_ecn", 0, "large TCP segments of the driver may have ECN bits",
         host_tso},
        {feature_host_ufo, "host_ufo", feature_csum,
         "the driver may leave fragmentation of UDP to the NIC"},
        {feature_mrg_rxbuf, "mrg_rxbuf", 0, "a received frame may fill several small buffers"},
        {feature_status, "status", 0,
         "the configuration space holds the link state (see --serve-config)"},
        {feature_ctrl_vq, "ctrl_vq", 0, "a queue for commands (see --serve-config)"},
        {feature_ctrl_rx, "ctrl_rx", feature_ctrl_vq,
         "the driver may choose which frames it receives"},
        {feature_ctrl_vlan, "ctrl_vlan", feature_ctrl_vq,
         "the driver may choose which VLANs it receives"},
        {feature_ctrl_rx_extra, "ctrl_rx_extra", feature_ctrl_vq,
         "the driver may choose more finely which frames it receives"},
        {feature_guest_announce, "guest_announce", feature_ctrl_vq,
         "the driver announces itself to the network when asked to"},
        {feature_mq, "mq", feature_ctrl_vq, "several pairs of queues (see --queues)"},
        {feature_ctrl_mac_addr, "ctrl_mac_addr", feature_ctrl_vq,
         "the driver may change its MAC address"},
        {feature_log_all, "log_all", 0,
         "the NIC can log what it writes, for migration; drivers never see it"},
        {feature_indirect_desc, "indirect_desc", 0, "one descriptor may name a table of them"},
        {feature_event_idx, "event_idx", 0, "each side says at which index it wants to be woken"},
        {feature_version_1, "version_1", 0, "the standard, not the legacy, device"},
        {feature_ring_packed, "ring_packed", feature_version_1,
         "rings of one part instead of three"},
        {feature_in_order, "in_order", feature_version_1,
         "buffers come back in the order in which they were given"},
        {feature_guest_uso4, "guest_uso4", feature_guest_csum,
         "the NIC may hand over large UDP/IPv4 segments"},
        {feature_guest_uso6, "guest_uso6", feature_guest_csum,
         "the NIC may hand over large UDP/IPv6 segments"},
        {feature_host_uso, "host_uso", feature_csum,
         "the driver may leave segmentation of UDP to the NIC"},
        {feature_speed_duplex, "speed_duplex", 0,
         "the configuration space holds speed and duplex (see --serve-config)"},
    };
    return features;
}

std::string describe_features(Features features) {
    std::vector<std::string> words;
    for (const FeatureName& feature : known_features()) {
        if ((features & feature.bit) != 0) {
            words.emplace_back(feature.name);
            features &= ~feature.bit;
        }
    }
    for (unsigned bit = 0; bit < 64; ++bit) {
        if ((features & feature_bit(bit)) != 0) {
            words.push_back(fmt::format("bit {}", bit));
        }
    }
    return fmt::format("{}", fmt::join(words, " "));
}

Result<FeatureChanges> parse_feature_changes(std::string_view text) {
    const auto& known = known_features();
    FeatureChanges changes;
    while (!text.empty()) {
        const std::size_t comma = text.find(',');
        const std::string_view item = text.substr(0, comma);
        text = comma == std::string_view::npos ? "" : text.substr(comma + 1);
        if (item.size() < 2 || (item.front() != '+' && item.front() != '-')) {
            return failure(fmt::format(
                "\"{}\" is not a change of features: write +NAME or -NAME, separated by commas",
                item));
        }
        const auto found = std::ranges::find(known, item.substr(1), &FeatureName::name);
        if (found == known.end()) {
            std::vector<std::string_view> names;
            names.reserve(known.size());
            for (const FeatureName& one : known) {
                names.push_back(one.name);
            }
            return failure(fmt::format("there is no feature \"{}\"; known are {}", item.substr(1),
                                       fmt::join(names, ", ")));
        }
        if (((changes.add | changes.remove) & found->bit) != 0) {
            return failure(fmt::format("\"{}\" is there twice", found->name));
        }
        (item.front() == '+' ? changes.add : changes.remove) |= found->bit;
    }
    return changes;
}

Result<Features> apply_feature_changes(Features features, const FeatureChanges& changes,
                                       Features possible, Features elsewhere) {
    if ((changes.add & ~possible) != 0) {
        return failure(fmt::format("{} cannot be offered here: mac and status need --serve-config",
                                   describe_features(changes.add & ~possible)));
    }
    features = (features | changes.add) & ~changes.remove;
    // One that goes may be what another needs: until nothing goes any more.
    for (bool again = true; std::exchange(again, false);) {
        for (const FeatureName& one : known_features()) {
            if ((features & one.bit) == 0) {
                continue;
            }
            const Features present = features | elsewhere;
            const Features missing = one.needs & ~present;
            const bool none_of = one.needs_one_of != 0 && (one.needs_one_of & present) == 0;
            if (missing == 0 && !none_of) {
                continue;
            }
            if ((changes.add & one.bit) != 0) {
                return failure(fmt::format(
                    "{} cannot be offered without {}{}", one.name, missing == 0 ? "one of " : "",
                    describe_features(missing == 0 ? one.needs_one_of : missing)));
            }
            features &= ~one.bit;
            again = true;
        }
    }
    return features;
}

}  // namespace skbtrail::device
