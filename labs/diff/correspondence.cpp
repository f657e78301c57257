#include "labs/diff/correspondence.h"

#include <charconv>
#include <deque>
#include <string>
#include <unordered_map>
#include <unordered_set>

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

/// What tells a packet from others: with what it carries, or only that it carries something.
std::string key_of(const chain::Packet& packet, const RuleBook& rules, bool with_contents) {
    std::string key;
    for (const auto& [field, value] : packet.headers) {
        if (!rules.compares_header(field)) continue;
        const bool chosen = is_port(field) && is_ephemeral(value);
        const bool any = !with_contents && rules.content_rule(field);
        key += field + "=" + (any ? "*" : chosen ? "ephemeral" : value) + "\n";
    }
    return key;
}

/// Finds the like of those packets of A that have none yet, among those of B that are nobody's.
class Matching {
  public:
    Matching(const Views& a, const Views& b, const RuleBook& rules) : a_(a), b_(b), rules_(rules) {}

    void match(bool with_contents) {
        std::unordered_map<std::string, std::deque<PacketClass>> of_b;
        for (const PacketClass packet : b_.packets()) {
            if (taken_.contains(packet)) continue;
            of_b[key_of(b_.packet(packet), rules_, with_contents)].push_back(packet);
        }
        for (const PacketClass packet : a_.packets()) {
            if (like_.contains(packet)) continue;
            auto& candidates = of_b[key_of(a_.packet(packet), rules_, with_contents)];
            if (candidates.empty()) continue;
            like_.emplace(packet, candidates.front());
            taken_.insert(candidates.front());
            candidates.pop_front();
        }
    }

    std::vector<std::pair<std::optional<PacketClass>, std::optional<PacketClass>>> pairs() const {
        std::vector<std::pair<std::optional<PacketClass>, std::optional<PacketClass>>> pairs;
        for (const PacketClass packet : a_.packets()) {
            const auto like = like_.find(packet);
            pairs.emplace_back(packet,
                               like == like_.end() ? std::nullopt : std::optional(like->second));
        }
        for (const PacketClass packet : b_.packets()) {
            if (!taken_.contains(packet)) pairs.emplace_back(std::nullopt, packet);
        }
        return pairs;
    }

  private:
    const Views& a_;
    const Views& b_;
    const RuleBook& rules_;
    std::unordered_map<PacketClass, PacketClass> like_;  ///< of B, by A's
    std::unordered_set<PacketClass> taken_;              ///< of B
};

}  // namespace

std::vector<std::pair<std::optional<PacketClass>, std::optional<PacketClass>>> corresponding(
    const Views& a, const Views& b, const RuleBook& rules) {
    Matching matching(a, b, rules);
    matching.match(true);
    matching.match(false);
    return matching.pairs();
}

std::vector<std::size_t> content_rules(const chain::Packet& a, const chain::Packet& b,
                                       const RuleBook& rules) {
    std::vector<std::size_t> found;
    for (const auto& [field, value] : a.headers) {
        const auto other = b.headers.find(field);
        if (other == b.headers.end() || other->second == value) continue;
        if (const auto rule = rules.content_rule(field)) found.push_back(*rule);
    }
    return found;
}

}  // namespace skbtrail::labs::diff
