// The device's side of a virtqueue, whatever its format: split (virtio 1.3, 2.7) or packed (2.8).
//
// The one loop that everybody needs:
//
//     std::array<Chain, 32> chains;
//     while (const std::size_t taken = ring.take_burst(chains).value()) {  // value(): handle the
//         for (Chain& chain : std::span(chains).first(taken)) {            // fault instead
//             const std::uint32_t written = use(chain);
//             ring.put_used(std::move(chain), written);
//         }
//         ring.publish();
//         if (ring.decide_call().wanted) { signal the driver }
//     }
//
// Which format it is, is asked once for a burst and costs a branch for a chain; there is no
// virtual call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <variant>

#include <tl/expected.hpp>

#include "device/memory/guest_memory.h"
#include "device/virtqueue/call_decision.h"
#include "device/virtqueue/chain.h"
#include "device/virtqueue/fault.h"
#include "device/virtqueue/inflight_area.h"
#include "device/virtqueue/kick_decision.h"
#include "device/virtqueue/packed_ring.h"
#include "device/virtqueue/ring_features.h"
#include "device/virtqueue/ring_memory.h"
#include "device/virtqueue/split_ring.h"

namespace skbtrail::device {

class Ring {
    // Before its uses, whose results are its own.
    /// A branch that is always the same, where std::visit would call through a table.
    template <typename Function>
    decltype(auto) with(Function function) {
        if (auto* const split = std::get_if<SplitRing>(&ring_)) {
            return function(*split);
        }
        return function(*std::get_if<PackedRing>(&ring_));
    }
    template <typename Function>
    decltype(auto) with(Function function) const {
        if (const auto* const split = std::get_if<SplitRing>(&ring_)) {
            return function(*split);
        }
        return function(*std::get_if<PackedRing>(&ring_));
    }

  public:
    /// Finds the ring in `memory`, and goes on at `base`, what SET_VRING_BASE gave: of a split
    /// ring the index of the next available entry; of a packed ring the place of the next chain in
    /// the low half, that of the next used one in the high half, each with its wrap counter in the
    /// highest bit.
    static tl::expected<Ring, RingFault> open(std::shared_ptr<const GuestMemory> memory,
                                              const RingAddresses& addresses, std::uint32_t size,
                                              RingFeatures features, std::uint32_t base);

    /// From here on notes in `area`, as queue `queue`, which chains are out; nothing was taken yet.
    /// Where the area is in use already, it says where the ring stands, whatever open() was told,
    /// and chains that were in flight are taken again before any others, in their order. Returns
    /// how many those are. After a fault the ring is as useless as after any other.
    tl::expected<std::size_t, RingFault> track(std::shared_ptr<const InflightArea> area,
                                               unsigned queue) {
        return with([&](auto& ring) { return ring.track(std::move(area), queue); });
    }
    /// Goes on with the notes of the same ring, opened before in other memory.
    void follow(Ring& before) noexcept {
        if (SplitRing* const ring = std::get_if<SplitRing>(&ring_)) {
            ring->follow(std::get<SplitRing>(before.ring_));
        } else {
            std::get<PackedRing>(ring_).follow(std::get<PackedRing>(before.ring_));
        }
    }
    /// Whether the notes reach nobody any more: their file was cut short.
    bool tracking_lost() const noexcept {
        return with([](const auto& ring) { return ring.tracking_lost(); });
    }

    /// Whether there is nothing to take: a glance, for who looks again and again.
    bool looks_empty() const noexcept {
        return with([](const auto& ring) { return ring.looks_empty(); });
    }
    /// How many chains the driver has made available and we have not taken.
    tl::expected<std::uint16_t, RingFault> waiting() {
        return with([](auto& ring) { return ring.waiting(); });
    }

    /// Takes the next chains, as many as there are and `to` and max_burst hold, with one look at
    /// what the driver has made available. Returns how many; 0 when there are none. A fault
    /// comes only in place of a first chain. After a fault the ring is broken: nothing more may be
    /// done with it but to drop it.
    tl::expected<std::size_t, RingFault> take_burst(std::span<Chain> to) {
        return with([&](auto& ring) { return ring.take_burst(to); });
    }
    /// Takes one.
    tl::expected<std::optional<Chain>, RingFault> take() {
        Chain chain;
        return take_burst(std::span(&chain, 1)).map([&](std::size_t taken) {
            return taken == 0 ? std::optional<Chain>() : std::optional<Chain>(std::move(chain));
        });
    }
    /// Undoes taking. Chains must come back in the reverse order of being taken.
    void put_back(Chain&& chain) noexcept {
        with([&](auto& ring) { ring.put_back(std::move(chain)); });
    }
    /// Returns a chain to the driver, with `written` bytes in its writable part. The driver sees
    /// it after publish().
    void put_used(Chain&& chain, std::uint32_t written) noexcept {
        with([&](auto& ring) { ring.put_used(std::move(chain), written); });
    }
    /// Shows the driver what was put: one release store for a whole batch.
    void publish() noexcept {
        with([](auto& ring) { ring.publish(); });
    }
    /// Whether the driver wants to be called about what was published since the last decision,
    /// and why (not).
    CallDecision decide_call() noexcept {
        return with([](auto& ring) { return ring.decide_call(); });
    }

    /// Asks the driver to kick when it makes another chain available than those that we have
    /// seen. Returns whether some came in before it could know: the caller must not sleep on
    /// those.
    tl::expected<bool, RingFault> ask_for_kicks() {
        return with([](auto& ring) { return ring.ask_for_kicks(); });
    }
    /// Tells the driver that kicks are not needed. It may kick all the same.
    void refuse_kicks() noexcept {
        with([](auto& ring) { ring.refuse_kicks(); });
    }

    /// From here on decide_kick() is asked after each taking. What is there already does not count.
    void watch_kicks() noexcept {
        with([](auto& ring) { ring.watch_kicks(); });
    }
    /// Whether the driver, by what it was asked for, had to kick for what became available since
    /// the last decision, as far as was looked.
    KickDecision decide_kick() noexcept {
        return with([](auto& ring) { return ring.decide_kick(); });
    }

    /// Where a ring starts that the front end says nothing about.
    static std::uint32_t initial_base(RingFeatures features) noexcept {
        return features.packed ? PackedRing::initial_base : 0;
    }

    std::uint32_t size() const noexcept {
        return with([](const auto& ring) { return ring.size(); });
    }
    /// Where open() would go on: the answer to GET_VRING_BASE.
    std::uint32_t base() const noexcept {
        return with([](const auto& ring) { return ring.base(); });
    }
    /// Where the next used chain goes, including what is put and not yet published, in the form
    /// of Chain::available_index().
    std::uint16_t next_used() const noexcept {
        return with([](const auto& ring) { return ring.next_used(); });
    }
    const GuestMemory& memory() const noexcept {
        return with([](const auto& ring) -> const GuestMemory& { return ring.memory(); });
    }
    bool packed() const noexcept { return std::holds_alternative<PackedRing>(ring_); }

  private:
    explicit Ring(SplitRing&& ring) : ring_(std::move(ring)) {}
    explicit Ring(PackedRing&& ring) : ring_(std::move(ring)) {}

    std::variant<SplitRing, PackedRing> ring_;
};

}  // namespace skbtrail::device
