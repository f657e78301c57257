#include "device/net/transmit_queue.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "device/net/checksum.h"
#include "device/net/header.h"

namespace skbtrail::device {

TransmitQueue::TransmitQueue(EventLoop& loop, unsigned index, RingEventLog* events, Wire& wire,
                             FrameTap tap, std::chrono::milliseconds latency)
    : NetQueue(loop, index, "transmit", events, [this] { on_kick(); }),
      wire_(wire),
      tap_(std::move(tap)),
      latency_(latency),
      frame_(max_frame_bytes),
      continue_(loop.add_timer([this] { process(); })) {}

void TransmitQueue::on_kick() {
    if (latency_.count() == 0) {
        process();
    } else if (!continue_.armed()) {
        continue_.arm(EventLoop::Clock::now() + latency_);
    }
}

void TransmitQueue::process() {
    Ring* ring = virtqueue().ring();
    if (ring == nullptr) {
        return;
    }
    ring->refuse_kicks();
    for (std::size_t handled = 0; handled < turn_budget;) {
        const std::size_t most =
            gate() == nullptr ? burst : std::min(burst, gate()->may_take(index(), burst));
        std::size_t taken = 0;
        if (most == 0 || !process_burst(most, taken)) {
            return;  // held: whoever does it pokes
        }
        handled += taken;
        if (taken == most) {
            continue;
        }
        // The ring looked empty: ask for a kick, and look again before relying on one.
        auto more = ring->ask_for_kicks();
        if (!more) {
            break_queue(std::move(more.error()));
            return;
        }
        if (!*more) {
            return;
        }
        ring->refuse_kicks();
    }
    continue_.arm(EventLoop::Clock::now());
}

bool TransmitQueue::process_burst(std::size_t most, std::size_t& taken) {
    Ring& ring = *virtqueue().ring();
    while (taken < most) {
        auto next = ring.take();
        if (!next) {
            return break_queue(std::move(next.error()));
        }
        std::optional<Chain> chain = std::move(*next);
        if (!chain) {
            break;
        }
        const auto prepared = prepare(*chain);
        if (!prepared) {
            note_taken(*chain);
            return break_queue(prepared.error());
        }
        if (gate() != nullptr && !gate()->may_pass(index(), *chain, prepared->frame)) {
            ring.put_back(std::move(*chain));
            finish_batch();
            return false;
        }
        note_taken(*chain);
        if (prepared->dropped != nullptr) {
            ++(count().*prepared->dropped);
        } else {
            send(*chain, prepared->frame, prepared->offload);
        }
        const std::uint32_t length = chain->readable_bytes();
        complete(std::move(*chain), 0, length);
        ++taken;
    }
    finish_batch();
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
    NetHeaderBytes header{};
    gather(chain.readable(), 0, std::span(header).first(header_bytes));
    auto offload = parse_transmit_header(header, frame_bytes, negotiated());
    if (!offload) {
        return ring_fault(
            RingFaultKind::bad_header,
            fmt::format("chain at head {}: {}", chain.head(), offload.error().message));
    }
    const std::span frame = std::span(frame_).first(frame_bytes);
    gather(chain.readable(), header_bytes, frame);
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
    for (; !segmenter_.done(); segmenter_.pop()) {
        wire_.transmit(segmenter_.front());
    }
}

}  // namespace skbtrail::device
