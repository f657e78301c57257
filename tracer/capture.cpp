#include "tracer/capture.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "tracer/ftrace/page.h"

namespace skbtrail::tracer {

namespace {

constexpr std::size_t piece_size = 1U << 20U;

/// What a page's header says (events/header_page).
struct PageHeader {
    std::size_t used = 0;  ///< bytes of the page that mean something, header included
    bool lost = false;     ///< events were lost before it
};

PageHeader header_of(std::span<const std::byte> page) {
    constexpr std::size_t size = 16;
    constexpr std::size_t lost_count = 8;  // behind the data, where it is given
    if (page.size() < size) return {page.size(), false};
    std::uint64_t commit = 0;
    std::memcpy(&commit, page.data() + 8, sizeof commit);
    const std::size_t data = commit & ((1U << 20U) - 1);
    return {std::min(page.size(), size + data + lost_count), (commit >> 31U & 1U) != 0};
}

void add_refused(const RefusedEvents& from, RefusedEvents& to) {
    for (const auto& [function, refused] : from) {
        to[function].events += refused.events;
        to[function].calls += refused.calls;
    }
}

}  // namespace

void PieceStore::add(std::span<const std::byte> bytes) {
    if (pieces_.empty() || pieces_.back().bytes.size() + bytes.size() > piece_size) {
        pieces_.emplace_back().bytes.reserve(piece_size);
    }
    auto& piece = pieces_.back();
    piece.bytes.insert(piece.bytes.end(), bytes.begin(), bytes.end());
    piece.sizes.push_back(static_cast<std::uint32_t>(bytes.size()));
    ++count_;
}

void PieceStore::take(const std::function<void(std::span<const std::byte>)>& sink) {
    while (!pieces_.empty()) {
        std::span<const std::byte> rest(pieces_.front().bytes);
        for (const auto size : pieces_.front().sizes) {
            sink(rest.first(size));
            rest = rest.subspan(size);
        }
        pieces_.pop_front();
    }
    count_ = 0;
}

void Capture::add_page(unsigned cpu, std::span<const std::byte> page) {
    auto& capture = cpus_[cpu];
    if (page_bytes_ >= half_) {
        const auto result = read_page(page, [](const PageRecord&) {});
        capture.records_over_limit += result.records;
        return;
    }
    const auto used = page.first(header_of(page).used);
    capture.pages.add(used);
    page_bytes_ += used.size();
}

/// Decodes the pages of one CPU. A call's kprobe events follow each other: what comes between two
/// of them ends the call.
class Capture::PageDecoder {
  public:
    PageDecoder(Capture& owner, const GraphDecoder& decoder, const KprobeDecoder* kprobes,
                unsigned cpu, CpuCapture& capture)
        : owner_(owner), decoder_(decoder), kprobes_(kprobes), cpu_(cpu), capture_(capture) {}

    void page(std::span<const std::byte> page) {
        after_loss_ = header_of(page).lost;
        if (after_loss_) end_call();
        const auto result = read_page(page, [this](const PageRecord& one) { record(one); });
        if (result.lost) {
            ++capture_.pages_after_loss;
            capture_.lost_before_pages += result.lost_count.value_or(0);
        }
        if (result.damaged) ++capture_.damaged_pages;
    }

    void end_call() {
        if (!call_.empty()) owner_.add_call(std::exchange(call_, {}), call_time_, cpu_);
    }

  private:
    void record(const PageRecord& record) {
        if (auto graph = decoder_.decode(record.data)) {
            end_call();
            graph->time = record.time;
            graph->cpu = static_cast<std::uint16_t>(cpu_);
            graph->after_loss = std::exchange(after_loss_, false);
            capture_.records.push_back(*graph);
            return;
        }
        auto sighting = kprobes_ == nullptr ? std::nullopt : kprobes_->decode(record.data);
        if (!sighting) {
            ++capture_.foreign_records;
            return;
        }
        const bool same = !call_.empty() &&
                          call_.front().event.function == sighting->event.function &&
                          call_.front().event.tid == sighting->event.tid;
        if (!same) {
            end_call();
            call_time_ = record.time;
        }
        call_.push_back(*sighting);
    }

    Capture& owner_;
    const GraphDecoder& decoder_;
    const KprobeDecoder* kprobes_;
    unsigned cpu_;
    CpuCapture& capture_;
    bool after_loss_ = false;
    std::vector<KprobeSighting> call_;
    std::uint64_t call_time_ = 0;
};

void Capture::decode(const GraphDecoder& decoder, const KprobeDecoder* kprobes) {
    for (auto& [cpu, capture] : cpus_) {
        PageDecoder pages(*this, decoder, kprobes, cpu, capture);
        capture.pages.take([&pages](std::span<const std::byte> page) { pages.page(page); });
        pages.end_call();
    }
    decode_events();
}

void Capture::decode_events() {
    for (auto& [cpu, capture] : cpus_) {
        capture.events.reserve(capture.events.size() + capture.raw_events.count());
        capture.raw_events.take([this, &events = capture.events](std::span<const std::byte> raw) {
            skbtrail_event event{};
            std::memcpy(&event, raw.data(), sizeof event);
            if (event.bytes_used > 0) {
                EventBytes copy{};
                std::memcpy(copy.data(), raw.data() + sizeof event, event.bytes_used);
                event.bytes_index = next_bytes();
                bytes_.push_back(copy);
            }
            events.push_back(event);
        });
    }
}

void Capture::add_call(std::vector<KprobeSighting> sightings, std::uint64_t time, unsigned cpu) {
    auto& capture = cpus_[cpu];
    for (const auto& sighting : sightings) {
        if (sighting.page_offset != 0) page_offset_ = sighting.page_offset;
    }
    if (order_sightings(sightings)) ++capture.lists_truncated;
    for (auto& sighting : sightings) {
        auto& event = sighting.event;
        event.time = time;
        event.sequence = capture.calls_seen;
        event.cpu = cpu;
        if (event.bytes_used > 0) {
            event.bytes_index = next_bytes();
            bytes_.push_back(sighting.bytes);
        }
        capture.events.push_back(event);
    }
    ++capture.calls_seen;
}

void Capture::add_event(std::span<const std::byte> bytes) {
    skbtrail_event event{};
    if (bytes.size() < sizeof event) {
        ++malformed_events_;
        return;
    }
    std::memcpy(&event, bytes.data(), sizeof event);
    if (event.bytes_used > bytes.size() - sizeof event || event.bytes_used > SKBTRAIL_SNAP) {
        ++malformed_events_;
        return;
    }
    auto& capture = cpus_[event.cpu];
    if (event_bytes_ >= half_) {
        auto& refused = capture.events_over_limit[event.function];
        ++refused.events;
        // A call of which some event was kept is in the recording.
        if (capture.last_kept != event.sequence && capture.last_over_limit != event.sequence) {
            ++refused.calls;
        }
        capture.last_over_limit = event.sequence;
        return;
    }
    capture.last_kept = event.sequence;
    const auto used = bytes.first(sizeof event + event.bytes_used);
    capture.raw_events.add(used);
    event_bytes_ += used.size();
}

void Capture::add_counts(unsigned cpu, const CpuCounts& counts) {
    auto& capture = cpus_[cpu];
    capture.filtered += counts.filtered;
    capture.lists_truncated += counts.lists_truncated;
    add_refused(counts.refused, capture.refused);
}

void Capture::absorb(Capture&& other) {
    const auto shift = next_bytes() - other.first_bytes_;
    bytes_.insert(bytes_.end(), other.bytes_.begin(), other.bytes_.end());
    for (auto& [cpu, from] : other.cpus_) {
        auto& to = cpus_[cpu];
        to.records.insert(to.records.end(), from.records.begin(), from.records.end());
        for (auto& event : from.events) {
            if (event.bytes_used > 0) event.bytes_index += shift;
            // Sequences count from 0 in each.
            if (from.calls_seen > 0) event.sequence += to.calls_seen;
            to.events.push_back(event);
        }
        to.lost_before_pages += from.lost_before_pages;
        to.pages_after_loss += from.pages_after_loss;
        to.damaged_pages += from.damaged_pages;
        to.foreign_records += from.foreign_records;
        to.calls_seen += from.calls_seen;
        to.lists_truncated += from.lists_truncated;
        to.filtered += from.filtered;
        to.records_over_limit += from.records_over_limit;
        add_refused(from.events_over_limit, to.events_over_limit);
    }
    if (!page_offset_) page_offset_ = other.page_offset_;
    malformed_events_ += other.malformed_events_;
}

void Capture::forget_bytes(std::uint32_t first) {
    const auto count = std::min<std::size_t>(first - first_bytes_, bytes_.size());
    bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(count));
    first_bytes_ += static_cast<std::uint32_t>(count);
}

std::span<const std::uint8_t> Capture::bytes_of(const skbtrail_event& event) const {
    const auto index = event.bytes_index - first_bytes_;  // counts around
    if (event.bytes_used == 0 || index >= bytes_.size()) return {};
    return std::span(bytes_[index]).first(event.bytes_used);
}

}  // namespace skbtrail::tracer
