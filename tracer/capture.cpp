#include "tracer/capture.h"

#include <cstring>

#include "tracer/ftrace/page.h"

namespace skbtrail::tracer {

void Capture::add_page(unsigned cpu, std::span<const std::byte> page, const GraphDecoder& decoder) {
    auto& capture = cpus_[cpu];
    bool first = true;
    bool lost_here = false;
    // The page's header says whether events were lost before its first record.
    constexpr std::size_t commit_end = 16;
    if (page.size() >= commit_end) {
        std::uint64_t commit = 0;
        std::memcpy(&commit, page.data() + 8, sizeof commit);
        lost_here = (commit >> 31U & 1U) != 0;
    }
    const auto result = read_page(page, [&](const PageRecord& record) {
        auto graph = decoder.decode(record.data);
        if (!graph) {
            ++capture.foreign_records;
            return;
        }
        if (record_bytes_ >= half_) {
            ++capture.records_over_limit;
            return;
        }
        graph->time = record.time;
        graph->cpu = static_cast<std::uint16_t>(cpu);
        graph->after_loss = first && lost_here;
        first = false;
        capture.records.push_back(*graph);
        record_bytes_ += sizeof *graph;
    });
    if (result.lost) {
        ++capture.pages_after_loss;
        capture.lost_before_pages += result.lost_count.value_or(0);
    }
    if (result.damaged) ++capture.damaged_pages;
}

bool Capture::add_event(std::span<const std::byte> bytes) {
    skbtrail_event event{};
    if (bytes.size() < sizeof event) {
        ++malformed_events_;
        return false;
    }
    std::memcpy(&event, bytes.data(), sizeof event);
    const auto rest = bytes.subspan(sizeof event);
    if (event.bytes_used > rest.size() || event.bytes_used > SKBTRAIL_SNAP) {
        ++malformed_events_;
        return false;
    }
    auto& capture = cpus_[event.cpu];
    if (event_bytes_ >= half_) {
        ++capture.events_over_limit;
        return true;
    }
    if (event.bytes_used > 0) {
        EventBytes copy{};
        std::memcpy(copy.data(), rest.data(), event.bytes_used);
        event.bytes_index = static_cast<std::uint32_t>(bytes_.size());
        bytes_.push_back(copy);
        event_bytes_ += sizeof copy;
    }
    capture.events.push_back(event);
    event_bytes_ += sizeof event;
    return true;
}

std::span<const std::uint8_t> Capture::bytes_of(const skbtrail_event& event) const {
    if (event.bytes_used == 0 || event.bytes_index >= bytes_.size()) return {};
    return std::span(bytes_[event.bytes_index]).first(event.bytes_used);
}

}  // namespace skbtrail::tracer
