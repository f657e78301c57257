// What became of packets. A packet may be held by several sk_buffs (clones); each has a fate of its
// own, and the one that went furthest is the packet's.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "tracer/chain/recording.h"

namespace skbtrail::tracer {

/// How much a fate tells: of one sk_buff, a later and weaker one does not replace it.
enum class Weight : std::uint8_t { none, consumed, dropped, transmitted, delivered, merged };

class Fates {
  public:
    /// One more packet.
    void add_packet(chain::PacketId packet) { packets_.try_emplace(packet); }
    /// What is told of it from now on is not kept.
    void forget(chain::PacketId packet) { packets_.erase(packet); }

    /// The sk_buff at `skb` holds the packet. The first one is not its clone.
    void held(chain::PacketId packet, chain::Address skb);
    /// The sk_buff met this fate. `shown`: to a packet socket, which tells little of the packet
    /// when others went on with it.
    void set(chain::PacketId packet, chain::Address skb, Weight weight, chain::Fate fate,
             bool shown = false);
    /// A packet socket got a copy of the bytes and no sk_buff.
    void shown(chain::PacketId packet, chain::Fate fate);
    /// Takes a fate back: the device did not take what it was given.
    void take_back(chain::PacketId packet, chain::Address skb);
    /// The sk_buff's memory is freed: the next one at that address is another.
    void freed(chain::PacketId packet, chain::Address skb);

    /// Another sk_buff held the packet first.
    [[nodiscard]] bool is_clone(chain::PacketId packet, chain::Address skb) const;
    /// How far the sk_buff has come.
    [[nodiscard]] Weight weight(chain::PacketId packet, chain::Address skb) const;
    /// How far the packet has come, with any sk_buff.
    [[nodiscard]] Weight weight(chain::PacketId packet) const;
    /// Where the sk_buff was delivered, to be completed; null when it was not.
    chain::Fate* delivery(chain::PacketId packet, chain::Address skb);

    /// Writes a packet's fates into it.
    void write(chain::Packet& packet) const;

  private:
    struct Holder {
        chain::Address skb = 0;
        Weight weight = Weight::none;
        bool shown = false;
        bool freed = false;
        chain::Fate fate = {};
    };
    using Holders = std::vector<Holder>;  // in order of appearance

    static Holder* find(Holders& holders, chain::Address skb);
    /// Null: forgotten.
    Holders* of(chain::PacketId packet);
    [[nodiscard]] const Holders* of(chain::PacketId packet) const;

    std::unordered_map<chain::PacketId, Holders> packets_;
};

}  // namespace skbtrail::tracer
