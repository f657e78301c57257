// Packets that went into others: GRO, coalescing, reassembly. The kernel tries, and may refuse;
// what comes next tells which.
//
//  - skb_gro_receive(p, skb): p has grown by the next time it is seen, or it has not.
//  - skb_try_coalesce(to, from): kfree_skb_partial(from) follows, or nothing does.
//  - inet_frag_queue_insert(queue, skb): what is left in the queue when it is made one packet.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "tracer/chain/recording.h"

namespace skbtrail::tracer {

/// A packet and the sk_buff that holds it.
struct Held {
    chain::PacketId packet = 0;
    chain::Address skb = 0;
};

/// A packet that went into another.
struct Union {
    std::string kind;  ///< chain::PacketEdge
    Held from;
    chain::PacketId into = 0;
    std::string function;
};

class Unions {
  public:
    /// GRO tries; `into` has `length` bytes now.
    void try_gro(Held from, Held into, std::uint32_t length, const std::string& function);
    /// The sk_buff is seen again with so many bytes: what was tried last with it.
    std::vector<Union> seen(Held into, std::uint32_t length);
    /// What was tried and its end not seen: the packets that were never seen to go another way are
    /// for the caller to find.
    std::vector<Union> undecided() const;

    void try_coalesce(Held from, chain::PacketId into, const std::string& function);
    /// The sk_buff is freed because its data are elsewhere now.
    std::vector<Union> absorbed(Held from);

    void collect(std::uint64_t queue, Held fragment);
    /// The queue becomes the packet `into`.
    std::vector<Union> reassemble(std::uint64_t queue, chain::PacketId into,
                                  const std::string& function);

  private:
    struct Attempt {
        Union what;
        std::uint32_t length = 0;
    };
    std::unordered_map<chain::Address, Attempt> gro_;       // by the sk_buff that would grow
    std::unordered_map<chain::Address, Union> coalescing_;  // by the one that would go
    std::unordered_map<std::uint64_t, std::vector<Held>> queues_;
};

}  // namespace skbtrail::tracer
