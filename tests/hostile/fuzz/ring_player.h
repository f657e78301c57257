// What split and packed rings have in common as prey of a fuzzer: ring_script.h, played against the
// real device in memory of its own, and what must hold after each step.
#pragma once

#include <array>
#include <memory>
#include <stdexcept>
#include <utility>

#include <unistd.h>

#include "tests/hostile/fuzz/input.h"
#include "tests/hostile/fuzz/invariant.h"
#include "tests/hostile/fuzz/ring_script.h"
#include "tests/unit/device/net_bench.h"

namespace skbtrail::hostile {

using namespace skbtrail::device;
using namespace skbtrail::device::test;

/// The guest's name for an address that a front end knows by its own.
inline std::uint64_t guest_address(UserAddress address) {
    return address.value - GuestRam::user_base + GuestRam::default_base;
}

/// Plays an input. `Side` is one queue's driver, which tells the steps that differ from format to
/// format in its own way:
///   chain()                      an honest chain, by FakeDriver's verbs
///   take_used()                  one that came back; false when there is none
///   place(Place)                 the guest address of a part of the ring
///   set_descriptor(index, d)     a descriptor, as the input has it
///   offer_raw(u16), set_index(u16), suppress(u16, u16)   lies, as far as the format has them
///   returned()                   changes when the device returns a chain
///   start(bench, queue, base)    starts the queue at a base that the input has
template <typename Side>
class RingPlayer {
  public:
    explicit RingPlayer(FuzzInput& input)
        : input_(input),
          made_(make(input)),
          bench_(*made_),
          sides_{Side(bench_, 0), Side(bench_, 1)} {
        bench_.wire.on_transmit = [](const Frame& frame) { check_frame(frame); };
    }

    void play() {
        for (int steps = 0; !input_.empty() && steps < longest; ++steps) {
            try {
                step(static_cast<RingStep>(input_.take<std::uint8_t>() % ring_steps));
            } catch (const std::runtime_error&) {
                // The fake driver has no descriptors or no memory left: not the device's business.
            }
            check_queues();
        }
    }

  private:
    static constexpr int longest = 400;

    /// What the input wants negotiated; where that is no legal set, what every bench has.
    static std::unique_ptr<NetBench> make(FuzzInput& input) {
        const auto wanted = input.take<Features>();
        const bool wire_offloads = (input.take<std::uint8_t>() & 1) != 0;
        const Features possible = possible_features({.serves_config = true});
        try {
            return std::make_unique<NetBench>(Side::features(wanted & possible), wire_offloads);
        } catch (const std::runtime_error&) {
            return std::make_unique<NetBench>(Side::features(bench_features));
        }
    }

    /// What a wire may rely on.
    static void check_frame(const Frame& frame) {
        require(frame.bytes.size() >= min_frame_bytes && frame.bytes.size() <= max_frame_bytes,
                "a frame of a length that no frame has reached the wire");
        if (frame.offload.needs_checksum) {
            require(std::size_t{frame.offload.checksum_start} + frame.offload.checksum_offset + 2 <=
                        frame.bytes.size(),
                    "a checksum outside of its frame reached the wire");
        }
        require(frame.offload.gso_type == gso_none || frame.offload.gso_size != 0,
                "a segmentation into nothing reached the wire");
    }

    /// A queue that broke has said so; one that is broken returns nothing. What a frame that was
    /// delivered changed is not looked at: a driver may have given memory for it in which a ring
    /// lies, the other queue's too.
    void check_queues() {
        const std::uint64_t delivered = bench_.counters(0).frames;
        memory_touched_ |= delivered != std::exchange(delivered_, delivered);
        for (unsigned queue = 0; queue < 2; ++queue) {
            const bool broken = bench_.state(queue) == Virtqueue::State::broken;
            const std::uint64_t told = bench_.fds(queue).error.take();
            if (broken && !was_broken_[queue]) {
                require(told > 0, "a queue broke and its error descriptor was not signalled");
                require(!bench_.broken_by(queue).empty(), "a queue broke without a reason");
            }
            if (broken && was_broken_[queue] && !memory_touched_) {
                require(side(queue).returned() == returned_[queue],
                        "a broken queue returned a chain");
            }
            was_broken_[queue] = broken;
            returned_[queue] = side(queue).returned();
        }
        memory_touched_ = false;
    }

    unsigned queue() { return input_.take<std::uint8_t>() & 1; }
    Side& side(unsigned queue) { return sides_[queue]; }

    /// Whether a step needs the driver's own view of its memory.
    static bool driver_acts(RingStep what) {
        switch (what) {
            case RingStep::kick:
            case RingStep::deliver:
            case RingStep::restart:
            case RingStep::enable:
            case RingStep::status:
            case RingStep::events:
            case RingStep::turn:
                return false;
            default:
                return true;
        }
    }

    void step(RingStep what) {
        if (driver_acts(what)) {
            if (cut_) {
                return;
            }
            memory_touched_ = true;
        }
        switch (what) {
            case RingStep::send:
                return send();
            case RingStep::give:
                return give();
            case RingStep::descriptor:
                return descriptor();
            case RingStep::head: {
                auto& to = side(queue());
                return to.offer_raw(input_.take<std::uint16_t>());
            }
            case RingStep::index: {
                auto& to = side(queue());
                return to.set_index(input_.take<std::uint16_t>());
            }
            case RingStep::kick:
                return bench_.kick(queue());
            case RingStep::deliver:
                return deliver();
            case RingStep::poke:
                return poke();
            case RingStep::restart:
                return restart();
            case RingStep::enable: {
                const unsigned which = queue();
                return must(
                    bench_.device->set_ring_enabled(which, (input_.take<std::uint8_t>() & 1) != 0));
            }
            case RingStep::suppress: {
                auto& to = side(queue());
                const auto event = input_.take<std::uint16_t>();
                return to.suppress(event, input_.take<std::uint16_t>());
            }
            case RingStep::collect: {
                auto& from = side(queue());
                for (int i = 0; i < 16 && from.take_used(); ++i) {
                }
                return;
            }
            case RingStep::truncate:
                return truncate();
            case RingStep::status:
                return bench_.device->set_status(input_.take<std::uint8_t>());
            case RingStep::events:
                return events();
            case RingStep::turn:
                return bench_.settle();
        }
    }

    void send() {
        const auto shape = input_.take<std::uint8_t>();
        const auto header = input_.take<NetHeaderBytes>();
        const std::size_t length = input_.take<std::uint16_t>();
        const std::size_t pieces = 1 + (shape & pieces_mask) % 8;
        std::vector<std::byte> bytes(header.begin(), header.end());
        const auto frame = pattern(length % 3000);
        bytes.insert(bytes.end(), frame.begin(), frame.end());
        auto chain = side(1).chain();
        for (std::size_t i = 0; i < pieces; ++i) {
            const std::size_t from = bytes.size() * i / pieces;
            const std::size_t to = bytes.size() * (i + 1) / pieces;
            chain.readable(std::span(bytes).subspan(from, to - from));
        }
        if ((shape & piece_indirect) != 0) {
            chain.indirect();
        }
        chain.offer();
        bench_.kick(1);
    }

    void give() {
        const auto shape = input_.take<std::uint8_t>();
        const std::uint32_t length = input_.take<std::uint16_t>() % 4096u;
        const std::uint32_t pieces = 1 + (shape & pieces_mask) % 8;
        auto chain = side(0).chain();
        for (std::uint32_t i = 0; i < pieces; ++i) {
            chain.writable(length / pieces);
        }
        if ((shape & piece_indirect) != 0) {
            chain.indirect();
        }
        chain.offer();
    }

    std::uint64_t place(Side& of, std::uint32_t length) {
        const auto kind = static_cast<Place>(input_.take<std::uint8_t>() % places);
        switch (kind) {
            case Place::fresh:
                return bench_.ram.allocate(length & 0xffff).value;
            case Place::relative:
                return GuestRam::default_base + input_.take<std::uint64_t>();
            case Place::absolute:
                return input_.take<std::uint64_t>();
            default:
                return of.place(kind);
        }
    }

    void descriptor() {
        auto& to = side(queue());
        const std::uint16_t index = input_.take<std::uint8_t>() % NetBench::ring_size;
        RingDescriptor descriptor{};
        descriptor.length = input_.take<std::uint32_t>();
        descriptor.flags = input_.take<std::uint16_t>();
        descriptor.next = input_.take<std::uint16_t>();
        descriptor.address = place(to, descriptor.length);
        to.set_descriptor(index, descriptor);
    }

    void deliver() {
        const std::size_t length = input_.take<std::uint16_t>();
        const auto flags = input_.take<std::uint8_t>();
        FrameOffload offload;
        offload.needs_checksum = (flags & 1) != 0;
        offload.data_valid = (flags & 2) != 0;
        offload.checksum_start = input_.take<std::uint16_t>();
        offload.checksum_offset = input_.take<std::uint16_t>();
        offload.gso_type = input_.take<std::uint8_t>();
        offload.gso_size = input_.take<std::uint16_t>();
        bench_.wire.deliver(pattern(length), offload);
        bench_.settle();
    }

    void poke() {
        const std::uint64_t offset = input_.take<std::uint16_t>();
        const auto bytes = input_.take_bytes(input_.take<std::uint8_t>());
        bench_.ram.put(GuestAddress{GuestRam::default_base + offset}, bytes);
    }

    void restart() {
        const unsigned which = queue();
        const auto base = input_.take<std::uint32_t>();
        must(bench_.device->stop_ring(which));
        side(which).start(bench_, which, base);
        bench_.settle();
        was_broken_[which] = false;
    }

    /// The rings stay, in the first pages: what is cut are the buffers.
    void truncate() {
        constexpr std::uint64_t page = 4096;
        constexpr std::uint64_t least = 2;
        const std::uint64_t pages = least + input_.take<std::uint8_t>();
        require(::ftruncate(bench_.ram.fd().get(), static_cast<off_t>(pages * page)) == 0,
                "the test can cut its file");
        cut_ = true;
    }

    void events() {
        const unsigned which = queue();
        switch (input_.take<std::uint8_t>() % 3) {
            case 0:
                return must(bench_.device->set_ring_call(which, UniqueFd()));
            case 1:
                bench_.fds(which).call.take();
                return bench_.fds(which).call.saturate();
            default:
                return must(bench_.device->set_ring_call(which, bench_.fds(which).call.share()));
        }
    }

    FuzzInput& input_;
    std::unique_ptr<NetBench> made_;
    NetBench& bench_;
    std::array<bool, 2> was_broken_{};
    std::array<std::uint64_t, 2> returned_{};
    std::array<Side, 2> sides_;
    std::uint64_t delivered_ = 0;  ///< frames that the receive queue had written
    bool memory_touched_ = false;
    bool cut_ = false;  ///< the driver's own view of its memory would fault now
};

}  // namespace skbtrail::hostile
