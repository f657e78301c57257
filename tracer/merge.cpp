#include "tracer/merge.h"

#include <algorithm>
#include <utility>

#include "tracer/policy.h"

namespace skbtrail::tracer {

namespace {

constexpr std::uint8_t context_flags = flag_hardirq | flag_softirq | flag_nmi;

/// Sorts the events into groups, one per call. An interrupt inside the program takes a later
/// sequence but may come first in the ring buffer.
void group_events(std::vector<skbtrail_event> events, const FunctionTable& functions,
                  CpuMatch& match) {
    std::stable_sort(events.begin(), events.end(), [](const auto& left, const auto& right) {
        return std::pair(left.time, left.sequence) < std::pair(right.time, right.sequence);
    });
    for (std::uint32_t i = 0; i < events.size(); ++i) {
        const auto& event = events[i];
        if (i > 0 && events[i - 1].sequence == event.sequence && events[i - 1].time == event.time) {
            ++match.groups.back().count;
            continue;
        }
        const auto function = functions.at_symbol(event.function);
        if (function == no_function) ++match.unknown_functions;
        match.groups.push_back({function, event.time, event.tid, i, 1});
    }
    match.events = std::move(events);
}

struct Join {
    std::vector<std::uint32_t> group_of_record;
    std::vector<std::uint32_t> record_of_group;
    std::size_t joined = 0;
};

/// A graph entry that still waits for its event.
struct Waiting {
    std::uint32_t record = 0;
    FunctionId function = no_function;
};

/// Joins going forward (graph record first) or backward in time (event first, which mirrors it).
Join join(const std::vector<GraphRecord>& records, const std::vector<FunctionId>& function_of,
          const std::vector<EventGroup>& groups, const FunctionTable& functions, bool forward) {
    Join result;
    result.group_of_record.assign(records.size(), no_group);
    result.record_of_group.assign(groups.size(), no_group);
    std::vector<Waiting> waiting;
    const auto index = [forward](std::size_t i, std::size_t size) {
        return static_cast<std::uint32_t>(forward ? i : size - 1 - i);
    };
    std::size_t next_record = 0;
    std::size_t next_group = 0;
    while (next_record < records.size() || next_group < groups.size()) {
        bool take_record = next_group == groups.size();
        if (!take_record && next_record < records.size()) {
            const auto record_time = records[index(next_record, records.size())].time;
            const auto group_time = groups[index(next_group, groups.size())].time;
            // At the same time the record goes first, in either direction.
            take_record = forward ? record_time <= group_time : record_time >= group_time;
        }
        if (take_record) {
            const auto i = index(next_record++, records.size());
            const auto& record = records[i];
            const auto function = function_of[i];
            const auto roles = function == no_function ? 0 : functions[function].roles;
            // Around an interrupt the state is still that of what it interrupts.
            if ((roles & role::around_interrupts) != 0) continue;
            // The context went on: whoever waits in it waits in vain.
            std::erase_if(waiting, [&](const Waiting& entry) {
                const auto& other = records[entry.record];
                return other.pid == record.pid &&
                       ((other.flags ^ record.flags) & context_flags) == 0;
            });
            if (record.entry && function != no_function && functions[function].probed) {
                waiting.push_back({i, function});
            }
            continue;
        }
        const auto i = index(next_group++, groups.size());
        const auto& group = groups[i];
        const auto found =
            std::find_if(waiting.rbegin(), waiting.rend(), [&](const Waiting& entry) {
                return entry.function == group.function && group.function != no_function &&
                       records[entry.record].pid == group.tid;
            });
        if (found == waiting.rend()) continue;
        result.group_of_record[found->record] = i;
        result.record_of_group[i] = found->record;
        ++result.joined;
        waiting.erase(std::next(found).base());
    }
    return result;
}

}  // namespace

CpuMatch match_cpu(const CpuCapture& capture, const FunctionTable& functions,
                   const Window& window) {
    CpuMatch match;
    group_events(capture.events, functions, match);

    std::vector<FunctionId> function_of;
    function_of.reserve(capture.records.size());
    std::size_t probed = 0;
    for (const auto& record : capture.records) {
        const auto id = functions.at_site(record.site);
        function_of.push_back(id);
        if (record.entry && id != no_function && functions[id].probed) ++probed;
    }

    auto best = join(capture.records, function_of, match.groups, functions, true);
    if (best.joined < std::min(probed, match.groups.size())) {
        auto other = join(capture.records, function_of, match.groups, functions, false);
        if (other.joined > best.joined) best = std::move(other);
    }
    match.group_of_record = std::move(best.group_of_record);
    match.record_of_group = std::move(best.record_of_group);

    for (std::size_t i = 0; i < capture.records.size(); ++i) {
        const auto& record = capture.records[i];
        if (!record.entry || function_of[i] == no_function) continue;
        if (functions[function_of[i]].probed && match.group_of_record[i] == no_group &&
            window.contains(record.time)) {
            ++match.calls_without_event[function_of[i]];
        }
    }
    for (std::size_t i = 0; i < match.groups.size(); ++i) {
        if (match.record_of_group[i] == no_group && window.contains(match.groups[i].time)) {
            ++match.events_without_call;
        }
    }
    return match;
}

}  // namespace skbtrail::tracer
