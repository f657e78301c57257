#include "labs/show/details.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include <fmt/format.h>

namespace skbtrail::labs {
namespace {

using chain::Observed;
using chain::SkbGeometry;

/// One of the details; its text is empty where it is not set.
struct Detail {
    const char* name;
    const char* unset;  ///< how that is said of one that was
    std::string (*text)(const SkbGeometry&, const Observed&);
    bool at_the_end = false;  ///< it stands in the buffer's end, which may not have been read
};

template <typename Number>
std::string decimal(Number number) {
    return number == 0 ? std::string() : fmt::to_string(number);
}

template <typename Number>
std::string hexadecimal(Number number) {
    return number == 0 ? std::string() : fmt::format("{:#x}", number);
}

std::string offset(const std::optional<std::uint16_t>& header) {
    return header ? fmt::to_string(*header) : std::string();
}

/// skb_tailroom(): behind data that go on in pages nothing can be put.
std::string tailroom(const SkbGeometry& skb) {
    return fmt::to_string(skb.data_len > 0 ? 0 : skb.end - skb.tail);
}

std::string device(const SkbGeometry& skb, const Observed& observed) {
    if (skb.device == 0) return {};
    const auto interface =
        std::find_if(observed.interfaces.begin(), observed.interfaces.end(),
                     [&](const chain::Interface& known) { return known.ifindex == skb.device; });
    return interface == observed.interfaces.end() ? fmt::format("{} (ifindex)", skb.device)
                                                  : interface->name;
}

std::string segmentation(const SkbGeometry& skb) {
    if (skb.gso_size == 0) return {};
    return fmt::format("{} × {} bytes ({})", skb.gso_segs, skb.gso_size, skb.gso_type);
}

/// The tag control information: priority, drop eligibility, id (802.1Q).
std::string vlan(const SkbGeometry& skb) {
    if (!skb.vlan) return {};
    const unsigned priority = *skb.vlan >> 13U;
    const std::string id = fmt::to_string(*skb.vlan & 0xfffU);
    return priority == 0 ? id : fmt::format("{} priority {}", id, priority);
}

/// In the order in which they are shown.
constexpr std::array details = {
    Detail{"skb", "none",
           [](const SkbGeometry& skb, const Observed&) { return hexadecimal(skb.address); }},
    Detail{"headroom", "0",
           [](const SkbGeometry& skb, const Observed&) { return fmt::to_string(skb.data); }},
    Detail{"tailroom", "0", [](const SkbGeometry& skb, const Observed&) { return tailroom(skb); }},
    Detail{"mac", "not set",
           [](const SkbGeometry& skb, const Observed&) { return offset(skb.mac_header); }},
    Detail{"network", "not set",
           [](const SkbGeometry& skb, const Observed&) { return offset(skb.network_header); }},
    Detail{"transport", "not set",
           [](const SkbGeometry& skb, const Observed&) { return offset(skb.transport_header); }},
    Detail{"protocol", "not set",
           [](const SkbGeometry& skb, const Observed&) {
               return skb.protocol == 0 ? std::string() : fmt::format("{:#06x}", skb.protocol);
           }},
    Detail{"dev", "none", device},
    Detail{"netns", "not known",
           [](const SkbGeometry& skb, const Observed&) { return decimal(skb.netns); }},
    Detail{"sock", "none",
           [](const SkbGeometry& skb, const Observed&) { return hexadecimal(skb.sock); }},
    Detail{"users", "0",
           [](const SkbGeometry& skb, const Observed&) { return decimal(skb.users); }},
    Detail{"cloned", "no",
           [](const SkbGeometry& skb, const Observed&) {
               return std::string(skb.cloned ? "yes" : "");
           }},
    Detail{"frags", "0",
           [](const SkbGeometry& skb, const Observed&) { return decimal(skb.frags.value_or(0)); },
           true},
    Detail{"gso", "none", [](const SkbGeometry& skb, const Observed&) { return segmentation(skb); },
           true},
    Detail{"ip_summed", "none",
           [](const SkbGeometry& skb, const Observed&) {
               return skb.ip_summed == "none" ? std::string() : skb.ip_summed;
           }},
    Detail{"queue", "0",
           [](const SkbGeometry& skb, const Observed&) { return decimal(skb.queue); }},
    Detail{"vlan", "none", [](const SkbGeometry& skb, const Observed&) { return vlan(skb); }},
    Detail{"mark", "0",
           [](const SkbGeometry& skb, const Observed&) { return hexadecimal(skb.mark); }},
    Detail{"hash", "0",
           [](const SkbGeometry& skb, const Observed&) { return hexadecimal(skb.hash); }},
    Detail{"timestamp", "none",
           [](const SkbGeometry& skb, const Observed&) { return decimal(skb.timestamp); }},
};

}  // namespace

std::vector<std::string> skb_details(const SkbGeometry& skb, const SkbGeometry* before,
                                     const Observed& observed) {
    std::vector<std::string> shown;
    for (const Detail& detail : details) {
        if (detail.at_the_end && !skb.frags) continue;
        const std::string now = detail.text(skb, observed);
        const std::string then = before == nullptr ? std::string() : detail.text(*before, observed);
        if (now == then) continue;
        shown.push_back(fmt::format("{} {}", detail.name, now.empty() ? detail.unset : now));
    }
    return shown;
}

}  // namespace skbtrail::labs
