#include "labs/diff/correspondence.h"

#include <charconv>
#include <deque>
#include <map>
#include <string>
#include <vector>

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

/// What tells a packet from others: with what it carries, or without.
std::string key_of(const chain::Packet& packet, const RuleBook& rules, bool with_contents) {
    std::string key;
    for (const auto& [field, value] : packet.headers) {
        if (!rules.compares_header(field)) continue;
        if (!with_contents && rules.content_rule(field)) continue;
        const bool chosen = is_port(field) && is_ephemeral(value);
        key += field + "=" + (chosen ? "ephemeral" : value) + "\n";
    }
    return key;
}

/// Finds the like of those packets of A that have none yet, among those of B that are nobody's.
class Matching {
  public:
    Matching(const Views& a, const Views& b, const RuleBook& rules)
        : a_(a), b_(b), rules_(rules), left_of_b_(b.packets().begin(), b.packets().end()) {}

    void match(bool with_contents) {
        std::map<std::string, std::deque<PacketClass>> of_b;
        for (const PacketClass packet : left_of_b_) {
            of_b[key_of(b_.packet(packet), rules_, with_contents)].push_back(packet);
        }
        for (const PacketClass packet : a_.packets()) {
            if (like_.contains(packet)) continue;
            auto& candidates = of_b[key_of(a_.packet(packet), rules_, with_contents)];
            if (candidates.empty()) continue;
            like_.emplace(packet, candidates.front());
            std::erase(left_of_b_, candidates.front());
            candidates.pop_front();
        }
    }

    Correspondence result() const {
        Correspondence result;
        for (const PacketClass packet : a_.packets()) {
            const auto like = like_.find(packet);
            if (like == like_.end()) {
                result.pairs.emplace_back(packet, std::nullopt);
                continue;
            }
            result.pairs.emplace_back(packet, like->second);
            explain(a_.packet(packet), b_.packet(like->second), result);
        }
        for (const PacketClass packet : left_of_b_) result.pairs.emplace_back(std::nullopt, packet);
        return result;
    }

  private:
    void explain(const chain::Packet& a, const chain::Packet& b, Correspondence& result) const {
        for (const auto& [field, value] : a.headers) {
            const auto rule = rules_.content_rule(field);
            const auto other = b.headers.find(field);
            if (rule && (other == b.headers.end() || other->second != value)) {
                ++result.explained[*rule];
            }
        }
    }

    const Views& a_;
    const Views& b_;
    const RuleBook& rules_;
    std::vector<PacketClass> left_of_b_;
    std::map<PacketClass, PacketClass> like_;
};

}  // namespace

Correspondence corresponding(const Views& a, const Views& b, const RuleBook& rules) {
    Matching matching(a, b, rules);
    matching.match(true);
    matching.match(false);
    return matching.result();
}

}  // namespace skbtrail::labs::diff
