#include "device/net/receive_queue.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "device/net/checksum.h"
#include "device/net/header.h"
#include "device/net/vlan.h"

namespace skbtrail::device {

namespace {

/// Whether there is nothing for the header to say, as for most frames.
bool says_nothing(const FrameOffload& offload) noexcept {
    return !offload.needs_checksum && !offload.data_valid && offload.gso_type == gso_none;
}

/// Writes a header of 10 or 12 bytes where there is not the same one.
void put_if_other(std::byte* to, const NetHeaderBytes& header, std::size_t header_bytes) noexcept {
    constexpr std::size_t shorter = net_header_bytes(0);
    if (std::memcmp(to, header.data(), shorter) != 0 ||
        (header_bytes > shorter &&
         std::memcmp(to + shorter, header.data() + shorter, max_net_header_bytes - shorter) != 0)) {
        std::memcpy(to, header.data(), header_bytes);
    }
}

}  // namespace

ReceiveQueue::ReceiveQueue(EventLoop& loop, unsigned index, RingEventLog* events, FrameTap tap,
                           std::function<void()> on_buffers)
    : NetQueue(
          loop, index, "receive", events, [this] { woken(); }, [this] { return look(); }),
      tap_(std::move(tap)),
      on_buffers_(std::move(on_buffers)) {}

ReceiveQueue::Outcome ReceiveQueue::deliver(const Frame& frame) {
    if (virtqueue().ring() == nullptr || !virtqueue().enabled()) {
        ++count().dropped_not_ready;
        awaited_ = true;
        return Outcome::not_ready;
    }
    if (!link_up()) {
        ++count().dropped_link_down;
        return Outcome::dropped;
    }
    if (frame.bytes.size() > longest_ || frame.bytes.size() < min_frame_bytes) [[unlikely]] {
        if (frame.bytes.size() < min_frame_bytes || oversized(frame)) {
            ++count().dropped_size;
            return Outcome::dropped;
        }
    }
    // While chains are taken ahead nothing waits before this frame: none was refused, and no
    // segment is left.
    if (ahead_begin_ != ahead_end_ && gate() == nullptr && write_plain(frame)) {
        return Outcome::delivered;
    }
    if (awaited_) {
        return refuse();  // though there may be some now: one that was refused before comes first
    }
    if (!flush_segments()) {
        return Outcome::no_buffers;
    }
    if (frame.offload.gso_type == gso_none || takes_segments(frame)) {
        return deliver_whole(frame);
    }
    if (!segments_.start(frame)) {
        ++count().dropped_offload;
        return Outcome::dropped;
    }
    if (!flush_segments()) {
        segments_.keep();
    }
    return Outcome::delivered;
}

void ReceiveQueue::set_mtu(std::optional<std::uint16_t> mtu) noexcept {
    longest_ =
        mtu ? std::min<std::size_t>(min_frame_bytes + *mtu, max_frame_bytes) : max_frame_bytes;
}

bool ReceiveQueue::oversized(const Frame& frame) const noexcept {
    if (frame.bytes.size() <= longest_) {
        return false;
    }
    // What is cut is cut to the receiver's measure; tags do not count.
    const bool whole = frame.offload.gso_type == gso_none;
    return frame.bytes.size() > max_frame_bytes ||
           (whole && frame.bytes.size() > longest_ + vlan_tags_bytes(frame.bytes));
}

bool ReceiveQueue::flush_segments() {
    for (; !segments_.done(); segments_.pop()) {
        if (oversized(segments_.front())) {
            ++count().dropped_size;
            continue;
        }
        const Outcome outcome = deliver_whole(segments_.front());
        if (outcome == Outcome::no_buffers) {
            return false;
        }
        if (outcome == Outcome::not_ready) {
            forget_segments();
            return true;
        }
    }
    return true;
}

void ReceiveQueue::forget_segments() noexcept {
    count().dropped_not_ready += segments_.left();
    segments_.clear();
}

bool ReceiveQueue::takes_segments(const Frame& frame) const {
    const auto has = [this](Features features) { return (negotiated() & features) == features; };
    switch (frame.offload.gso_type) {
        case gso_tcp4:
            return has(feature_guest_tso4);
        case gso_tcp6:
            return has(feature_guest_tso6);
        case gso_tcp4 | gso_ecn:
            return has(feature_guest_tso4 | feature_guest_ecn);
        case gso_tcp6 | gso_ecn:
            return has(feature_guest_tso6 | feature_guest_ecn);
        case gso_udp:
            return has(feature_guest_ufo);
        case gso_udp_segments:
            // Both, unless somebody misses a few datagrams that are cut without need.
            return has(feature_guest_uso4 | feature_guest_uso6);
        default:
            return false;
    }
}

ReceiveQueue::Outcome ReceiveQueue::deliver_whole(const Frame& frame) {
    if ((negotiated() & feature_guest_csum) != 0 || says_nothing(frame.offload)) {
        return write(frame);
    }
    const std::optional<Frame> adapted = adapt(frame);
    if (!adapted) {
        ++count().dropped_offload;
        return Outcome::dropped;
    }
    return write(*adapted);
}

std::optional<Frame> ReceiveQueue::adapt(const Frame& frame) {
    Frame adapted = frame;
    const FrameOffload& offload = frame.offload;
    if (offload.needs_checksum) {
        completed_.assign(frame.bytes.begin(), frame.bytes.end());
        if (!complete_checksum(completed_, offload)) {
            return std::nullopt;
        }
        adapted.bytes = completed_;
    }
    adapted.offload = FrameOffload{};
    return adapted;
}

ReceiveQueue::Outcome ReceiveQueue::write(const Frame& frame) {
    if (gate() != nullptr && gate()->may_take(index(), 1) == 0) {
        return refuse();
    }
    if (gate() == nullptr && write_plain(frame)) {
        return Outcome::delivered;
    }
    const std::size_t header_bytes = net_header_bytes(negotiated());
    if (const auto ended = take_room(header_bytes, frame.bytes.size())) {
        return *ended;
    }
    if (gate() != nullptr && !gate()->may_pass(index(), taken_.front(), frame.bytes)) {
        put_all_back(*virtqueue().ring());
        return refuse();
    }
    if (tap_) {
        tap_({FrameDirection::to_guest, frame.bytes, index(), taken_});
    }
    const NetHeaderBytes header =
        make_receive_header(frame.offload, static_cast<std::uint16_t>(taken_.size()));
    scatter(taken_.front().writable(), 0, std::span(header).first(header_bytes));
    std::size_t done = 0;
    std::size_t skip = header_bytes;
    for (Chain& chain : taken_) {
        const std::size_t copied = scatter(chain.writable(), skip, frame.bytes.subspan(done));
        const auto written = static_cast<std::uint32_t>(skip + copied);
        done += copied;
        skip = 0;
        note_taken(chain);
        complete(std::move(chain), written, written);
    }
    taken_.clear();
    note_delivered(frame);
    return Outcome::delivered;
}

bool ReceiveQueue::write_plain(const Frame& frame) {
    const std::size_t header_bytes = net_header_bytes(negotiated());
    const std::size_t total = header_bytes + frame.bytes.size();
    if (ahead_begin_ == ahead_end_ || !says_nothing(frame.offload)) {
        return false;
    }
    Chain& chain = ahead_[ahead_begin_];
    const auto pieces = chain.writable();
    if (chain.readable_bytes() > 0 || pieces.front().size() < total) {
        return false;
    }
    pass_ahead();
    if (tap_) {
        tap_({FrameDirection::to_guest, frame.bytes, index(), std::span(&chain, 1)});
    }
    static const NetHeaderBytes header = make_receive_header({}, 1);
    std::byte* const to = pieces.front().data();
    // Where a driver's buffers come round again, this header is mostly there already. Written over,
    // its line would have to go from the driver's cache to ours and back.
    put_if_other(to, header, header_bytes);
    std::memcpy(to + header_bytes, frame.bytes.data(), frame.bytes.size());
    note_taken(chain);
    complete(std::move(chain), static_cast<std::uint32_t>(total),
             static_cast<std::uint32_t>(total));
    note_delivered(frame);
    return true;
}

void ReceiveQueue::note_delivered(const Frame& frame) {
    ++count().frames;
    count().bytes += frame.bytes.size();
    busy().found(1);
    if (uncompleted_batch() >= batch_limit) {
        show_batch();
    }
}

std::optional<ReceiveQueue::Outcome> ReceiveQueue::take_room(std::size_t header_bytes,
                                                             std::size_t frame_bytes) {
    Ring& ring = *virtqueue().ring();
    const bool mergeable = (negotiated() & feature_mrg_rxbuf) != 0;
    std::size_t room = 0;
    taken_.clear();
    while (room < header_bytes + frame_bytes) {
        if (!taken_.empty() && (!mergeable || taken_.size() == ring.size())) {
            // No amount of waiting makes it fit.
            put_all_back(ring);
            ++count().dropped_size;
            return Outcome::dropped;
        }
        if (ahead_begin_ == ahead_end_) {
            const auto more = take_ahead(ring);
            if (!more) {
                return break_queue(more.error());
            }
            if (!*more) {
                put_all_back(ring);
                return refuse();
            }
        }
        Chain* const chain = &ahead_[ahead_begin_];
        pass_ahead();
        if (chain->readable_bytes() > 0) {
            return break_queue({RingFaultKind::wrong_direction,
                                fmt::format("chain at head {} has device-readable buffers, in a "
                                            "receive queue",
                                            chain->head())});
        }
        if (taken_.empty() && chain->writable_bytes() < header_bytes) {
            return break_queue({RingFaultKind::chain_too_short,
                                fmt::format("chain at head {} has {} bytes, and the header alone "
                                            "is {}",
                                            chain->head(), chain->writable_bytes(), header_bytes)});
        }
        room += chain->writable_bytes();
        taken_.push_back(std::move(*chain));
    }
    return std::nullopt;
}

ReceiveQueue::Outcome ReceiveQueue::refuse() {
    awaited_ = true;
    ++count().refused;
    return Outcome::no_buffers;
}

tl::expected<bool, RingFault> ReceiveQueue::take_ahead(Ring& ring) {
    // What the batch before this one needed, this one is likely to need; if it needs more, twice
    // as much.
    // Where a gate holds and steps, nothing is taken before its time.
    const std::size_t wanted =
        gate() != nullptr ? 1 : std::clamp<std::size_t>(next_ahead_, 1, max_burst);
    next_ahead_ = 2 * wanted;
    for (int looks = 0;; ++looks) {
        const auto taken = take(std::span(ahead_).first(wanted));
        if (!taken) {
            return tl::make_unexpected(taken.error());
        }
        ahead_begin_ = 0;
        ahead_end_ = *taken;
        if (*taken > 0) {
            for (std::size_t i = 0; i < std::min(*taken, Chain::prefetch_distance); ++i) {
                ahead_[i].prefetch();
            }
            return true;
        }
        if (busy().look_again() || looks == most_looks) {
            poll().wake();
            return false;
        }
        const auto more = ring.ask_for_kicks();
        if (!more || !*more) {
            poll().sleep();
            return more;
        }
    }
}

void ReceiveQueue::give_back() noexcept {
    if (Ring* const ring = virtqueue().ring(); ring != nullptr) {
        while (ahead_end_ > ahead_begin_) {
            ring->put_back(std::move(ahead_[--ahead_end_]));
        }
        if (uncompleted_batch() > 0) {
            next_ahead_ = uncompleted_batch();
        }
    }
    ahead_begin_ = 0;
    ahead_end_ = 0;
}

bool ReceiveQueue::look() {
    Ring* const ring = virtqueue().ring();
    if (ring == nullptr || !awaited_) {
        poll().sleep();
        return false;
    }
    if (!ring->looks_empty()) {
        const std::uint64_t before = count().frames;
        announce_buffers();
        if (count().frames != before) {
            return true;
        }
    }
    if (virtqueue().ring() != ring || busy().look_again()) {
        return false;
    }
    poll().sleep();
    // From here on as if it had been kicked, in case it was just not.
    if (const auto more = ring->ask_for_kicks(); !more) {
        break_queue(more.error());
    } else if (*more) {
        announce_buffers();
    }
    return true;
}

void ReceiveQueue::put_all_back(Ring& ring) {
    // The ring wants them in reverse order: first those that were taken last.
    give_back();
    for (auto chain = taken_.rbegin(); chain != taken_.rend(); ++chain) {
        ring.put_back(std::move(*chain));
    }
    taken_.clear();
}

void ReceiveQueue::woken() {
    if (Ring* const ring = virtqueue().ring(); ring != nullptr) {
        ring->refuse_kicks();
    }
    announce_buffers();
}

void ReceiveQueue::announce_buffers() {
    if (virtqueue().ring() == nullptr || !virtqueue().enabled() ||
        !std::exchange(awaited_, false)) {
        return;
    }
    // First what the wire has given already; when that finds no room it waits again.
    if (flush_segments()) {
        on_buffers_();
    }
}

ReceiveQueue::Outcome ReceiveQueue::break_queue(RingFault fault) {
    taken_.clear();
    show_batch();
    // finish_batch() may have found a reason of its own.
    if (virtqueue().ring() != nullptr) {
        virtqueue().fault(std::move(fault));
    }
    give_back();  // to nobody: they went with the ring
    ++count().dropped_not_ready;
    awaited_ = true;
    return Outcome::not_ready;
}

}  // namespace skbtrail::device
