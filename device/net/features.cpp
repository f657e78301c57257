#include "device/net/features.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace skbtrail::device {

const std::vector<FeatureName>& known_features() {
    static const std::vector<FeatureName> features = {
        {feature_csum, "csum", 0, "the driver may leave checksums to the NIC"},
        {feature_guest_csum, "guest_csum", 0, "the NIC may hand over frames without checksums"},
        {feature_mtu, "mtu", 0, "the front end may tell the driver an MTU"},
        {feature_mac, "mac", 0, "the configuration space holds a MAC address (see --serve-config)"},
        {feature_guest_tso4, "guest_tso4", feature_guest_csum,
         "the NIC may hand over large TCP/IPv4 segments"},
        {feature_guest_tso6, "guest_tso6", feature_guest_csum,
         "the NIC may hand over large TCP/IPv6 segments"},
        {feature_host_tso4, "host_tso4", feature_csum,
         "the driver may leave segmentation of TCP/IPv4 to the NIC"},
        {feature_host_tso6, "host_tso6", feature_csum,
         "the driver may leave segmentation of TCP/IPv6 to the NIC"},
        {feature_mrg_rxbuf, "mrg_rxbuf", 0, "a received frame may fill several small buffers"},
        {feature_status, "status", 0,
         "the configuration space holds the link state (see --serve-config)"},
        {feature_indirect_desc, "indirect_desc", 0, "one descriptor may name a table of them"},
        {feature_event_idx, "event_idx", 0, "each side says at which index it wants to be woken"},
        {feature_version_1, "version_1", 0, "the standard, not the legacy, device"},
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
                                       Features possible) {
    if ((changes.add & ~possible) != 0) {
        return failure(fmt::format(
            "{} cannot be offered here: segments need a wire that carries them; mac and status "
            "need --serve-config",
            describe_features(changes.add & ~possible)));
    }
    features = (features | changes.add) & ~changes.remove;
    for (const FeatureName& one : known_features()) {
        if ((features & one.bit) == 0 || (features & one.needs) == one.needs) {
            continue;
        }
        if ((changes.add & one.bit) != 0) {
            return failure(fmt::format("{} cannot be offered without {}", one.name,
                                       describe_features(one.needs)));
        }
        features &= ~one.bit;
    }
    return features;
}

}  // namespace skbtrail::device
