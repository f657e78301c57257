#include "tracer/losses.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include <fmt/format.h>

namespace skbtrail::tracer {

namespace {

/// Entries and returns that the tree lacks.
constexpr std::array lost_records{
    std::string_view("ring_buffer_overrun"),
    std::string_view("ring_buffer_commit_overrun"),
    std::string_view("ring_buffer_dropped"),
    std::string_view("memory_limit_records"),
};

bool is_lost_record(std::string_view kind) {
    return std::find(lost_records.begin(), lost_records.end(), kind) != lost_records.end();
}

/// Takes `known` out of the counter, no more than is in it. Returns what is left of `known`.
std::uint64_t take_out(chain::Loss& loss, std::uint64_t known, std::string_view where) {
    const auto taken = std::min(loss.count, known);
    if (taken == 0) return known;
    loss.count -= taken;
    loss.detail += fmt::format("; {} more are counted as {}", taken, where);
    return known - taken;
}

}  // namespace

void count_once(std::vector<chain::Loss>& losses) {
    std::map<std::optional<unsigned>, std::uint64_t> records;  // by CPU; without one: in all
    std::uint64_t without_event = 0;
    for (const auto& loss : losses) {
        if (is_lost_record(loss.kind)) {
            records[loss.cpu] += loss.count;
            if (loss.cpu) records[std::nullopt] += loss.count;
        }
        if (loss.kind == "call_without_event") without_event += loss.count;
    }
    constexpr std::string_view of_records = "entries and returns that were lost";
    for (auto& loss : losses) {
        if (loss.kind == "probe_missed") {
            without_event = take_out(loss, without_event, "call_without_event");
        } else if (loss.kind == "event_without_call" || loss.kind == "return_without_entry") {
            take_out(loss, records[loss.cpu], of_records);
        } else if (loss.kind == "page_after_loss" && records[loss.cpu] > 0) {
            take_out(loss, loss.count, of_records);  // a mark is no loss of its own
        }
    }
}

}  // namespace skbtrail::tracer
