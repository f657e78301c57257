// Where somebody else has a say in what a queue does: a debugger that pauses, steps and stops at
// breakpoints, and faults that a network card should not have.
//
// A queue has a pointer to a gate, nullptr unless something is to be held or broken: that costs
// one test per burst. Where there is a gate the queue takes chains one at a time and asks:
//
//     transmit                                   receive
//     ────────                                   ───────
//     may_take(queue, wanted)                    may_take(queue, 1): one frame
//       0: leave the ring alone                    0: refuse the frame, as without buffers
//     take a chain, copy its frame               take chains for the frame
//     may_pass(queue, chain, frame)              may_pass(queue, first chain, frame)
//       no: put the chain back                     no: put the chains back, refuse the frame
//     event "available", send the frame          events "available", write the frame
//     on_complete(queue, chain)                  on_complete(queue, chain), for each
//       now: put it into the used ring             the same
//       withhold: keep it, releases() says when
//       never: forget it
//     releases(queue, kept)                      releases(queue, kept)
//     publish, decide whether to call            publish, decide whether to call
//     on_call(queue, wanted)                     on_call(queue, wanted)
//
// A queue that was told to hold does nothing until its poke(): it does not even ask the driver for
// kicks, because whoever holds it says when to go on.
//
// Everything here runs in the thread of the event loop. A gate may call a queue's poke() and
// call_late() from any callback of the loop, but not from within its own functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "device/virtqueue/chain.h"

namespace skbtrail::device {

class QueueGate {
  public:
    /// What becomes of a chain whose work is done.
    enum class Completion : std::uint8_t {
        now,       ///< into the used ring
        withhold,  ///< the queue keeps it until releases() names it, or it is stopped
        never,     ///< the driver never gets it back
    };
    /// What becomes of a call (an interrupt).
    enum class CallVerdict : std::uint8_t {
        now,    ///< if the driver wants it
        twice,  ///< likewise
        drop,   ///< lost
        later,  ///< the gate will say call_late() to the queue
        owed,   ///< now, whether the driver wants it for this batch or not: one that was put off
    };

    virtual ~QueueGate() = default;

    /// Before a burst: how many chains (transmit) or frames (receive) may be taken, at most
    /// `wanted`. Fewer than wanted: the queue asks again before it takes more; 0: it holds.
    virtual std::size_t may_take(unsigned queue, std::size_t wanted) = 0;

    /// Before a chain that was taken has any effect. `frame`: the device's own copy, without the
    /// virtio-net header; empty when the chain carries none that the device would move. For a
    /// frame over several receive chains, `chain` is the first. False: the queue puts back what it
    /// took, and holds; the same chain comes here again after poke().
    virtual bool may_pass(unsigned queue, const Chain& chain, std::span<const std::byte> frame) = 0;

    /// A chain's work is done.
    virtual Completion on_complete(unsigned queue, const Chain& chain) = 0;

    /// Before a batch is published: which of the `kept` chains that were withheld go into the used
    /// ring now. Appends positions (0: withheld first) to `now`, in the order to return them, each
    /// at most once and below `kept`. Called also with poke(), so that what is kept can be released
    /// without traffic.
    virtual void releases(unsigned queue, std::size_t kept, std::vector<std::size_t>& now) = 0;

    /// A batch was published and the ring has decided: `wanted` is whether the driver wants a
    /// call for it.
    virtual CallVerdict on_call(unsigned queue, bool wanted) = 0;

    /// The driver has kicked. The queue looks at its ring next, with may_take().
    virtual void on_kick(unsigned queue) = 0;

    /// The queue was stopped or broken: what was promised for it (late calls, chains that stopped
    /// at a breakpoint) is void. Withheld chains were returned in order.
    virtual void on_stopped(unsigned queue) = 0;

  protected:
    QueueGate() = default;
    QueueGate(const QueueGate&) = default;
    QueueGate& operator=(const QueueGate&) = default;
};

}  // namespace skbtrail::device
