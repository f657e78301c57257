#include <cstddef>
#include <set>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "tracer/chain/recording_parts.h"

namespace skbtrail::chain {

namespace {

class References {
  public:
    explicit References(const Recording& recording) : recording_(recording) {}

    void check() {
        for (std::size_t i = 0; i < recording_.packets.size(); ++i) {
            if (!packets_.insert(recording_.packets[i].id).second) {
                fail(fmt::format("/packets/{}/id", i), "another packet has this id already");
            }
        }
        for (std::size_t i = 0; i < recording_.packets.size(); ++i) {
            const auto& edges = recording_.packets[i].edges;
            for (std::size_t j = 0; j < edges.size(); ++j) {
                if (missing(edges[j].packet)) {
                    no_packet(fmt::format("/packets/{}/edges/{}/packet", i, j), edges[j].packet);
                }
            }
            check_fate(recording_.packets[i].fate, fmt::format("/packets/{}/fate", i));
            const auto& fates = recording_.packets[i].fates;
            for (std::size_t j = 0; j < fates.size(); ++j) {
                check_fate(fates[j], fmt::format("/packets/{}/fates/{}", i, j));
            }
        }
        std::set<ChainId> chains;
        for (std::size_t i = 0; i < recording_.chains.size(); ++i) {
            const Chain& chain = recording_.chains[i];
            if (!chains.insert(chain.id).second) {
                fail(fmt::format("/chains/{}/id", i), "another chain has this id already");
            }
            check_call(chain.root, fmt::format("/chains/{}/root", i));
        }
        for (std::size_t i = 0; i < recording_.ring_events.size(); ++i) {
            const auto& packet = recording_.ring_events[i].packet;
            if (packet && missing(*packet)) {
                no_packet(fmt::format("/ring_events/{}/packet", i), *packet);
            }
        }
    }

  private:
    /// `pointer` is where the chain begins: the place is looked for only when there is an error.
    void check_fate(const Fate& fate, const std::string& place) {
        if (fate.into && missing(*fate.into)) no_packet(place + "/into", *fate.into);
    }

    void check_call(const Call& call, const std::string& pointer) {
        const Call* culprit = find_dangling(call);
        if (culprit == nullptr) return;
        std::string place = pointer;
        const Call* at = &call;
        while (at != culprit) {
            for (std::size_t i = 0; i < at->calls.size(); ++i) {
                if (find_dangling(at->calls[i]) == nullptr) continue;
                place += fmt::format("/calls/{}", i);
                at = &at->calls[i];
                break;
            }
        }
        for (std::size_t i = 0; i < at->skbs.size(); ++i) {
            const auto& packet = at->skbs[i].packet;
            if (packet && missing(*packet)) {
                no_packet(fmt::format("{}/skbs/{}/packet", place, i), *packet);
            }
        }
    }

    /// The first call, in the order of the text, that names a packet which is not there.
    const Call* find_dangling(const Call& call) {
        for (const SkbGeometry& skb : call.skbs) {
            if (skb.packet && missing(*skb.packet)) return &call;
        }
        for (const Call& below : call.calls) {
            if (const Call* found = find_dangling(below)) return found;
        }
        return nullptr;
    }

    bool missing(PacketId id) const { return !packets_.contains(id); }

    [[noreturn]] static void no_packet(const std::string& pointer, PacketId id) {
        fail(pointer, fmt::format("there is no packet {} in this recording", id));
    }

    [[noreturn]] static void fail(const std::string& pointer, std::string_view sentence) {
        throw FormatError(fmt::format("{}: {}", pointer, sentence));
    }

    const Recording& recording_;
    std::set<PacketId> packets_;
};

}  // namespace

void check_references(const Recording& recording) {
    References(recording).check();
}

}  // namespace skbtrail::chain
