#include "labs/check/draft.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <optional>
#include <stdexcept>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "labs/check/noise.h"
#include "tracer/chain/names.h"

namespace skbtrail::labs {
namespace {

using json = nlohmann::ordered_json;

/// What is another number in the next run.
bool is_accidental(const std::string& header) {
    constexpr std::array<std::string_view, 5> accidental = {"icmp.id", "icmp.sequence", "ip.id",
                                                            "tcp.sequence", "tcp.acknowledgement"};
    return std::find(accidental.begin(), accidental.end(), header) != accidental.end();
}

class Draft {
  public:
    explicit Draft(const chain::Recording& recording) {
        for (const chain::Packet& packet : recording.packets) packets_[packet.id] = &packet;
    }

    /// The first packet of known headers that the call or one below it is given.
    std::optional<chain::PacketId> packet_of(const chain::Call& call) const {
        for (const chain::SkbGeometry& skb : call.skbs) {
            if (!skb.packet) continue;
            const auto known = packets_.find(*skb.packet);
            if (known != packets_.end() && !known->second->headers.empty()) return skb.packet;
        }
        for (const chain::Call& below : call.calls) {
            if (const auto packet = packet_of(below)) return packet;
        }
        return std::nullopt;
    }

    json chain(const chain::Chain& chain) const {
        json object;
        object["name"] = fmt::format("chain {}", chain.id);
        object["root"] = std::string(chain::base_name(chain.root.function));
        const auto packet = packet_of(chain.root);
        if (packet) {
            json headers = json::object();
            for (const auto& [name, value] : packets_.at(*packet)->headers) {
                if (!is_accidental(name)) headers[name] = value;
            }
            object["packet"] = headers;
            object["bind"] = bind(chain);
        }
        if (!chain.root.calls.empty()) {
            object["calls"] = steps(chain.root, packet, bind(chain));
        }
        return object;
    }

  private:
    static std::string bind(const chain::Chain& chain) {
        return fmt::format("packet of chain {}", chain.id);
    }

    static bool is_given(const chain::Call& call, chain::PacketId packet) {
        return std::any_of(call.skbs.begin(), call.skbs.end(),
                           [&](const chain::SkbGeometry& skb) { return skb.packet == packet; });
    }

    static bool handles(const chain::Call& call, chain::PacketId packet) {
        return is_given(call, packet) ||
               std::any_of(call.calls.begin(), call.calls.end(),
                           [&](const chain::Call& below) { return handles(below, packet); });
    }

    json steps(const chain::Call& parent, std::optional<chain::PacketId> packet,
               const std::string& bound) const {
        json list = json::array();
        for (const chain::Call& call : parent.calls) {
            if (noise_.is_noise(call.function)) continue;
            json next = step(call, packet, bound);
            if (!list.empty() && repeats(list.back(), next)) {
                list.back()["count"] = list.back().value("count", 1U) + 1;
            } else {
                list.push_back(std::move(next));
            }
        }
        return list;
    }

    json step(const chain::Call& call, std::optional<chain::PacketId> packet,
              const std::string& bound) const {
        json step;
        step["call"] = std::string(chain::base_name(call.function));
        if (!packet || !handles(call, *packet)) return step;
        if (is_given(call, *packet)) step["packet"] = bound;
        json below = steps(call, packet, bound);
        const bool spine =
            std::any_of(call.calls.begin(), call.calls.end(),
                        [&](const chain::Call& next) { return handles(next, *packet); });
        if (spine && !below.empty()) step["calls"] = std::move(below);
        return step;
    }

    /// The same leaf once more.
    static bool repeats(json last, const json& next) {
        last.erase("count");
        return last == next && !next.contains("calls");
    }

    NoiseFilter noise_;
    std::map<chain::PacketId, const chain::Packet*> packets_;
};

}  // namespace

std::string draft_expectation(const chain::Recording& recording,
                              const std::vector<chain::ChainId>& chains,
                              const std::string& schema) {
    const Draft draft(recording);
    const auto wanted = [&](const chain::Chain& chain) {
        if (chains.empty()) return draft.packet_of(chain.root).has_value();
        return std::find(chains.begin(), chains.end(), chain.id) != chains.end();
    };
    json document;
    if (!schema.empty()) document["$schema"] = schema;
    document["format"] = "skbtrail-expectation";
    document["version"] = 1;
    document["title"] = "";
    document["draft"] = true;
    document["chains"] = json::array();
    for (const chain::Chain& chain : recording.chains) {
        if (wanted(chain)) document["chains"].push_back(draft.chain(chain));
    }
    const std::size_t found = document["chains"].size();
    if (found == 0 || (!chains.empty() && found < chains.size())) {
        throw std::invalid_argument(
            chains.empty() ? "no chain handles a packet whose headers are known"
                           : "not all of these chains are there; `skbtrail show` lists them");
    }
    return document.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace skbtrail::labs
