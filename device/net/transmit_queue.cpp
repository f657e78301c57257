#include "device/net/transmit_queue.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "device/net/checksum.h"
#include "device/net/header.h"

namespace skbtrail::device {

TransmitQueue::TransmitQueue(EventLoop& loop, unsigned index, RingEventLog* events, Wire& wire,
                             FrameTap tap, std::chrono::milliseconds latency)
    : NetQueue(
          loop, index, "transmit", events, [this] { on_kick(); }, [this] { return look(); }),
      wire_(wire),
      tap_(std::move(tap)),
      latency_(latency),
      frame_(max_net_header_bytes + max_frame_bytes),
      late_(loop.add_timer([this] { look(); })) {}

void TransmitQueue::on_kick() {
    if (latency_.count() == 0) {
        look();
    } else if (!late_.armed()) {
        late_.arm(EventLoop::Clock::now() + latency_);
    }
}

bool TransmitQueue::look() {
    Ring* const ring = virtqueue().ring();
    if (ring == nullptr) {
        poll().sleep();
        return false;
    }
    ring->refuse_kicks();
    std::size_t handled = 0;
    for (int looks = 0; handled < turn_budget && looks < most_looks;) {
        const std::size_t most =
            gate() == nullptr ? burst : std::min(burst, gate()->may_take(index(), burst));
        std::size_t taken = 0;
        if (most == 0 || !process_burst(most, taken)) {
            poll().sleep();  // if it is held: whoever does it pokes
            return true;
        }
        handled += taken + std::exchange(segments_beyond_, 0);
        if (taken > 0) {
            continue;  // fewer than a burst may be those before one that is broken
        }
        if (handled > 0) {
            busy().found(handled);
        }
        if (latency_.count() != 0 && virtqueue().polled()) {
            poll().sleep();
            late_.arm(EventLoop::Clock::now() + latency_);
            return handled > 0;
        }
        if (latency_.count() == 0 && busy().look_again()) {
            poll().wake();
            return handled > 0;
        }
        // The ring looked empty: ask for a kick, and look again before relying on one.
        auto more = ring->ask_for_kicks();
        if (!more) {
            break_queue(std::move(more.error()));
            poll().sleep();
            return true;
        }
        if (!*more) {
            poll().sleep();
            return handled > 0;
        }
        ring->refuse_kicks();
        ++looks;
    }
    // Goes on in the next turn.
    busy().found(handled);
    poll().wake();
    return true;
}

bool TransmitQueue::process_burst(std::size_t most, std::size_t& taken) {
    Ring& ring = *virtqueue().ring();
    // What a gate may keep from passing is taken one by one.
    const std::size_t at_a_time = gate() == nullptr ? most : 1;
    while (taken < most) {
        const auto count = take(std::span(chains_).first(at_a_time));
        if (!count) {
            return break_queue(count.error());
        }
        const std::span chains = std::span(chains_).first(*count);
        for (std::size_t i = 0; i < std::min(chains.size(), Chain::prefetch_distance); ++i) {
            chains[i].prefetch();
        }
        for (std::size_t i = 0; i < chains.size(); ++i) {
            if (i + Chain::prefetch_distance < chains.size()) {
                chains[i + Chain::prefetch_distance].prefetch();
            }
            Chain& chain = chains[i];
            const auto prepared = prepare(chain);
            if (!prepared) {
                note_taken(chain);
                return break_queue(prepared.error());
            }
            if (gate() != nullptr && !gate()->may_pass(index(), chain, prepared->frame)) {
                ring.put_back(std::move(chain));
                show_batch();
                return false;
            }
            note_taken(chain);
            if (prepared->dropped != nullptr) {
                ++(this->count().*prepared->dropped);
            } else {
                send(chain, prepared->frame, prepared->offload);
            }
            const std::uint32_t length = chain.readable_bytes();
            complete(std::move(chain), 0, length);
        }
        taken += *count;
        if (*count == 0 || gate() == nullptr) {
            break;
        }
    }
    show_batch();
    return virtqueue().ring() != nullptr;
}

bool TransmitQueue::break_queue(RingFault fault) {
    finish_batch();  // what was sent before is the driver's again
    // finish_batch() may have found a reason of its own.
    if (virtqueue().ring() != nullptr) {
        virtqueue().fault(std::move(fault));
    }
    return false;
}

tl::expected<TransmitQueue::Prepared, RingFault> TransmitQueue::prepare(const Chain& chain) {
    const std::size_t header_bytes = net_header_bytes(negotiated());
    if (chain.writable_bytes() > 0) {
        return ring_fault(RingFaultKind::wrong_direction,
                          fmt::format("chain at head {} has device-writable buffers, in a transmit "
                                      "queue",
                                      chain.head()));
    }
    if (chain.readable_bytes() < header_bytes) {
        return ring_fault(RingFaultKind::chain_too_short,
                          fmt::format("chain at head {} has {} bytes, and the header alone is {}",
                                      chain.head(), chain.readable_bytes(), header_bytes));
    }
    if (!virtqueue().enabled()) {
        return Prepared{{}, {}, &QueueCounters::dropped_not_ready};
    }
    if (!link_up()) {
        return Prepared{{}, {}, &QueueCounters::dropped_link_down};
    }
    const std::size_t frame_bytes = chain.readable_bytes() - header_bytes;
    if (frame_bytes > max_frame_bytes || frame_bytes < min_frame_bytes) {
        return Prepared{{}, {}, &QueueCounters::dropped_size};
    }
    // Both at once, to where they are looked at. The frame stands where it is aligned.
    const std::span whole =
        std::span(frame_).subspan(max_net_header_bytes - header_bytes, chain.readable_bytes());
    gather(chain.readable(), 0, whole);
    const std::span frame = std::span(frame_).subspan(max_net_header_bytes, frame_bytes);
    NetHeaderBytes header{};
    std::memcpy(header.data(), whole.data(), net_header_bytes(0));  // without num_buffers
    if (asks_for_nothing(header)) {
        return Prepared{frame, {}, nullptr};
    }
    auto offload = parse_transmit_header(header, frame_bytes, negotiated());
    if (!offload) {
        return ring_fault(
            RingFaultKind::bad_header,
            fmt::format("chain at head {}: {}", chain.head(), offload.error().message));
    }
    return Prepared{frame, *offload, nullptr};
}

void TransmitQueue::send(const Chain& chain, std::span<std::byte> frame,
                         const FrameOffload& offload) {
    Frame sent{frame, offload, index() / 2, frame};
    const bool cut = offload.gso_type != gso_none && !wire_.takes_segments(offload.gso_type);
    if (cut && !segmenter_.start(sent)) {
        ++count().dropped_offload;
        return;
    }
    if (!cut && offload.needs_checksum && !wire_.takes_offloads()) {
        // The place was checked with the header.
        complete_checksum(frame, offload);
        sent.offload.needs_checksum = false;
    }
    ++count().frames;
    count().bytes += frame.size();
    if (tap_) {
        tap_({FrameDirection::from_guest, frame, index(), std::span(&chain, 1)});
    }
    if (!cut) {
        wire_.transmit(sent);
        return;
    }
    segments_beyond_ += segmenter_.left() - 1;
    for (; !segmenter_.done(); segmenter_.pop()) {
        wire_.transmit(segmenter_.front());
    }
}

}  // namespace skbtrail::device
