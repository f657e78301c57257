#include "labs/diff/correspondence.h"

#include <charconv>
#include <map>
#include <string>
#include <tuple>

namespace skbtrail::labs::diff {
namespace {

/// Linux takes ports of sockets that did not ask for one from here on
/// (net.ipv4.ip_local_port_range).
constexpr unsigned first_ephemeral_port = 32768;

bool is_port(const std::string& field) {
    return field == "udp.source" || field == "udp.destination" || field == "tcp.source" ||
           field == "tcp.destination";
}

bool is_ephemeral(const std::string& value) {
    unsigned port = 0;
    const auto read = std::from_chars(value.data(), value.data() + value.size(), port);
    return read.ec == std::errc() && port >= first_ephemeral_port;
}

std::string key_of(const chain::Packet& packet, const RuleBook& rules) {
    std::string key;
    for (const auto& [field, value] : packet.headers) {
        if (!rules.compares_header(field)) continue;
        const bool chosen = is_port(field) && is_ephemeral(value);
        key += field + "=" + (chosen ? "ephemeral" : value) + "\n";
    }
    return key;
}

}  // namespace

std::vector<std::pair<std::optional<PacketClass>, std::optional<PacketClass>>> corresponding(
    const Views& a, const Views& b, const RuleBook& rules) {
    std::map<std::string, std::vector<PacketClass>> of_b;
    for (const PacketClass packet : b.packets()) {
        of_b[key_of(b.packet(packet), rules)].push_back(packet);
    }
    std::map<std::string, std::size_t> used;
    std::vector<std::pair<std::optional<PacketClass>, std::optional<PacketClass>>> pairs;
    for (const PacketClass packet : a.packets()) {
        const std::string key = key_of(a.packet(packet), rules);
        const auto found = of_b.find(key);
        std::size_t& next = used[key];
        if (found == of_b.end() || next == found->second.size()) {
            pairs.emplace_back(packet, std::nullopt);
        } else {
            pairs.emplace_back(packet, found->second[next++]);
        }
    }
    std::map<std::string, std::size_t> seen;
    for (const PacketClass packet : b.packets()) {
        const std::string key = key_of(b.packet(packet), rules);
        if (seen[key]++ >= used[key]) pairs.emplace_back(std::nullopt, packet);
    }
    return pairs;
}

}  // namespace skbtrail::labs::diff
