#include "device/net/ring_events.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "device/net/monotonic_clock.h"
#include "device/net/ring_event_json.h"

namespace skbtrail::device {

namespace {

/// A busy loop wakes the writer after so many slots; an idle one at once.
constexpr std::uint64_t wake_after = 1024;
/// A ring that was full is used again when this part of it is free,
constexpr std::size_t free_share = 4;
/// and looked at after so many events as this part of it has slots.
constexpr std::size_t skipped_share = 32;
/// Lines are handed to the sink in pieces of about this size.
constexpr std::size_t piece_bytes = std::size_t{64} * 1024;
/// Less than everybody else: when the machine is busy, lines come later, or are dropped.
constexpr int writer_nice = 19;
/// A busy writer looks for new readers after so many pieces.
constexpr unsigned pieces_between_looks = 16;
constexpr int patience_ms = 1000;

UniqueFd make_event() {
    UniqueFd fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!fd) {
        throw std::system_error(errno, std::generic_category(), "eventfd");
    }
    return fd;
}

RingEventDescriptor event_descriptor_of(const ChainDescriptor& descriptor) {
    const unsigned flags = (descriptor.device_writable ? descriptor_write : 0U) |
                           (descriptor.next ? descriptor_next : 0U);
    return {descriptor.address.value, descriptor.length, static_cast<std::uint16_t>(flags)};
}

void signal_event(const UniqueFd& fd) {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(fd.get(), &one, sizeof one);
}

}  // namespace

RingEventLog::RingEventLog(std::unique_ptr<EventSink> sink, std::size_t slots,
                           std::function<void()> in_thread)
    : sink_(std::move(sink)),
      ring_(slots),
      wake_(make_event()),
      end_(make_event()),
      wanted_(sink_->wanted()),
      in_thread_(std::move(in_thread)) {
    // Signals are the event loop's, but for what a thread does to itself.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    sigdelset(&all, SIGSYS);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    writer_ = std::thread([this] { write_all(); });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

RingEventLog::~RingEventLog() {
    sync(patience_ms);
    ending_.store(true);
    signal_event(end_);
    signal_event(wake_);
    writer_.join();
    if (lost() > 0) {
        spdlog::warn("{} of {} ring events are not in {}", lost(), sequence_, sink_->name());
    }
}

/// Whether there is room; if not, how long nobody looks.
bool RingEventLog::make_room(std::size_t slots) {
    const std::size_t enough = full_ ? std::max(slots, ring_.capacity() / free_share) : slots;
    full_ = !ring_.has_room(enough);
    if (full_) {
        to_skip_ = ring_.capacity() / skipped_share;
    }
    return !full_;
}

EventRing::Slot* RingEventLog::begin(RingEventKind kind, unsigned queue, std::size_t descriptors) {
    if (!wanted_.load(std::memory_order_relaxed)) {
        return nullptr;
    }
    if (!make_room(EventRing::slots_for(descriptors))) {
        count_dropped();
        return nullptr;
    }
    if (batch_time_ == 0) {
        batch_time_ = monotonic_ns();
    }
    EventRing::Slot& slot = ring_.fresh(0);
    RingEvent& event = slot.first.event;
    event.sequence = sequence_;
    event.time = batch_time_;
    event.descriptors = static_cast<std::uint16_t>(descriptors);
    event.kind = kind;
    event.queue = static_cast<std::uint8_t>(queue);
    return &slot;
}

void RingEventLog::end(std::size_t descriptors) {
    ring_.commit(EventRing::slots_for(descriptors));
    if (ring_.committed() - looked_after_ >= wake_after) {
        flush();
    }
}

void RingEventLog::record_available(unsigned queue, const Chain& chain) {
    const auto& buffers = chain.descriptors();
    const std::size_t count = buffers.size() + (chain.in_table() > 0 ? 1 : 0);
    EventRing::Slot* const slot = begin(RingEventKind::available, queue, count);
    if (slot == nullptr) {
        return;
    }
    slot->first.event.index = chain.available_index();
    slot->first.event.head = chain.head();
    slot->first.event.length = chain.readable_bytes() + chain.writable_bytes();
    slot->first.event.flags = chain.in_table() > 0 ? in_a_table : std::uint8_t{0};
    for (std::size_t n = 0; n < buffers.size(); ++n) {
        descriptor_of(*slot, n) = event_descriptor_of(buffers[n]);
    }
    if (chain.in_table() > 0) {
        RingEventDescriptor& table = descriptor_of(*slot, buffers.size());
        table = event_descriptor_of(chain.table());
        table.entries = static_cast<std::uint16_t>(chain.in_table());
    }
    end(count);
}

RingEventDescriptor& RingEventLog::descriptor_of(EventRing::Slot& slot, std::size_t n) noexcept {
    if (n < EventRing::inline_descriptors) {
        return slot.first.descriptors[n];
    }
    n -= EventRing::inline_descriptors;
    return ring_.fresh(1 + n / EventRing::descriptors_per_slot)
        .more[n % EventRing::descriptors_per_slot];
}

void RingEventLog::record_used(unsigned queue, std::uint16_t index, std::uint16_t head,
                               std::uint32_t length) {
    if (EventRing::Slot* const slot = begin(RingEventKind::used, queue, 0)) {
        slot->first.event.index = index;
        slot->first.event.head = head;
        slot->first.event.length = length;
        end(0);
    }
}

void RingEventLog::kick(unsigned queue) {
    batch_time_ = 0;
    if (!skip() && begin(RingEventKind::kick, queue, 0) != nullptr) {
        end(0);
    }
}

void RingEventLog::kick_suppressed(unsigned queue, const KickDecision& decision) {
    if (EventRing::Slot* const slot =
            skip() ? nullptr : begin(RingEventKind::kick_suppressed, queue, 0)) {
        RingEvent& event = slot->first.event;
        event.index = decision.now;
        event.head = decision.before;
        event.length = decision.event;
        event.flags = static_cast<std::uint8_t>((decision.by_event ? decided_by_event : 0) |
                                                (decision.packed ? decided_packed : 0));
        end(0);
    }
}

void RingEventLog::call(unsigned queue, const CallDecision& decision, bool delivered, bool gated) {
    const auto kind = delivered ? RingEventKind::call : RingEventKind::call_suppressed;
    if (EventRing::Slot* const slot = skip() ? nullptr : begin(kind, queue, 0)) {
        RingEvent& event = slot->first.event;
        event.index = decision.now;
        event.head = decision.before;
        event.length = decision.event;
        event.flags = static_cast<std::uint8_t>(
            (decision.wanted ? decided_wanted : 0) | (decision.by_event ? decided_by_event : 0) |
            (decision.first ? decided_first : 0) | (delivered ? decided_delivered : 0) |
            (gated ? decided_gated : 0) | (decision.packed ? decided_packed : 0) |
            (decision.astray ? decided_astray : 0));
        end(0);
    }
    batch_time_ = 0;
}

void RingEventLog::late_call(unsigned queue, std::uint16_t used_index) {
    batch_time_ = 0;
    if (EventRing::Slot* const slot = skip() ? nullptr : begin(RingEventKind::call, queue, 0)) {
        slot->first.event.index = used_index;
        slot->first.event.head = used_index;
        slot->first.event.flags = decided_delivered | decided_gated;
        end(0);
    }
}

void RingEventLog::flush() {
    to_skip_ = 0;  // the loop has time to look
    if (looked_after_ == ring_.committed()) {
        return;
    }
    looked_after_ = ring_.committed();
    // Full barrier: either the writer sees the events before it sleeps, or we see that it does.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (asleep_.load(std::memory_order_relaxed) && asleep_.exchange(false)) {
        signal_event(wake_);
    }
}

bool RingEventLog::sync(int longest_ms) {
    flush();
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(longest_ms);
    while (written_.load(std::memory_order_acquire) != ring_.committed()) {
        if (std::chrono::steady_clock::now() >= deadline) {
            return false;
        }
        std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
    return true;
}

void RingEventLog::write_all() {
    if (in_thread_) {
        in_thread_();
    }
    ::pthread_setname_np(::pthread_self(), "ring-events");
    ::setpriority(PRIO_PROCESS, 0, writer_nice);  // of this thread alone, on Linux
    for (unsigned pieces = 0;;) {
        if (const std::size_t filled = ring_.filled(); filled > 0) {
            format_and_write(filled);
            if (++pieces % pieces_between_looks == 0) {
                look(0);
            }
        } else if (ending_.load(std::memory_order_acquire)) {
            say_what_is_lost();
            sink_->finish();
            return;
        } else {
            sleep();
        }
    }
}

void RingEventLog::format_and_write(std::size_t slots) {
    lines_.clear();
    std::size_t done = 0;
    std::uint64_t events = 0;
    while (done < slots && lines_.size() < piece_bytes) {
        const RingEvent& event = ring_.oldest(done).first.event;
        last_sequence_ = event.sequence;
        done += format_oldest(ring_, done, lines_);
        ++events;
    }
    ring_.release(done);
    const std::uint64_t lost = sink_->write(std::string_view(lines_.data(), lines_.size()), events,
                                            last_sequence_, end_.get());
    unwritten_.fetch_add(lost, std::memory_order_relaxed);
    written_.fetch_add(done, std::memory_order_release);
}

void RingEventLog::say_what_is_lost() {
    if (const std::uint64_t count = lost(); count > 0) {
        lines_.clear();
        format_lost(sequence_, count, lines_);
        sink_->write(std::string_view(lines_.data(), lines_.size()), 0, sequence_, end_.get());
    }
}

void RingEventLog::sleep() {
    asleep_.store(true);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (ring_.filled() == 0 && !ending_.load()) {
        look(-1);
    }
    asleep_.store(false);
}

void RingEventLog::look(int timeout_ms) {
    std::vector<pollfd> fds{{wake_.get(), POLLIN, 0}};
    sink_->wait_for(fds);
    if (::poll(fds.data(), fds.size(), timeout_ms) <= 0) {
        return;
    }
    if (fds.front().revents != 0) {
        std::uint64_t ignored = 0;
        [[maybe_unused]] const auto taken = ::read(wake_.get(), &ignored, sizeof ignored);
    }
    sink_->ready(std::span(fds).subspan(1));
    wanted_.store(sink_->wanted(), std::memory_order_relaxed);
}

}  // namespace skbtrail::device
