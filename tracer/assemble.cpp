#include "tracer/assemble.h"

#include <algorithm>
#include <set>
#include <utility>

#include "tracer/filter/select.h"
#include "tracer/following/packets.h"

namespace skbtrail::tracer {

namespace {

/// Threads' names as the events of roots tell them.
std::map<std::uint32_t, std::string> names_in_events(const Capture& capture) {
    std::map<std::uint32_t, std::string> names;
    for (const auto& [cpu, one] : capture.cpus()) {
        for (const auto& event : one.events) {
            if (auto name = name_in_event(capture, event)) names[event.tid] = std::move(*name);
        }
    }
    return names;
}

/// Counts by function's name; "": of which is not known.
using ByFunction = std::map<std::string, std::uint64_t>;

/// An entry for each function, or one that tells that there is none.
void add_by_function(const char* kind, unsigned cpu, const ByFunction& counts, const char* detail,
                     std::vector<chain::Loss>& losses) {
    if (counts.empty()) losses.push_back({kind, cpu, 0, detail});
    for (const auto& [function, count] : counts) {
        losses.push_back({kind, cpu, count, detail, function});
    }
}

ByFunction events_of(const RefusedEvents& refused, const FunctionTable& functions) {
    ByFunction counts;
    for (const auto& [symbol, of_it] : refused) {
        const auto id = functions.at_symbol(symbol);
        counts[id == no_function ? std::string() : functions[id].name] += of_it.events;
    }
    return counts;
}

/// Calls in the tree that lack their event, without those whose event was refused: it is counted
/// there.
ByFunction unexplained_calls(const CpuCapture& capture, const CpuMatch& match,
                             const FunctionTable& functions) {
    ByFunction counts;
    std::uint64_t sum = 0;
    for (const auto& [id, count] : match.calls_without_event) {
        std::uint64_t known = 0;
        for (const auto* refused : {&capture.refused, &capture.events_over_limit}) {
            const auto of_it = refused->find(functions[id].symbol);
            if (of_it != refused->end()) known += of_it->second.calls;
        }
        if (count <= known) continue;
        counts[functions[id].name] += count - known;
        sum += count - known;
    }
    if (capture.filtered == 0) return counts;
    // Of some calls nothing was told since their packet is not wanted: how many, but not of which.
    if (sum <= capture.filtered) return {};
    return {{"", sum - capture.filtered}};
}

}  // namespace

std::optional<std::string> name_in_event(const Capture& capture, const skbtrail_event& event) {
    if ((event.flags & SKBTRAIL_EVENT_CONTEXT) == 0 || event.tid == 0) return std::nullopt;
    const auto bytes = capture.bytes_of(event);
    const auto end = std::find(bytes.begin(), bytes.end(), std::uint8_t{0});
    return std::string(bytes.begin(), end);
}

void add_losses(const Told& told, const Forest& forest, std::uint64_t implausible,
                std::vector<chain::Loss>& losses) {
    const auto total = [&losses](const char* kind, std::uint64_t count, const char* detail) {
        losses.push_back({kind, std::nullopt, count, detail});
    };
    for (const auto& [cpu, one] : told.capture.cpus()) {
        const auto add = [&losses, number = cpu](const char* kind, std::uint64_t count,
                                                 const char* detail) {
            losses.push_back({kind, number, count, detail});
        };
        const auto& match = told.matches.at(cpu);
        add_by_function("call_without_event", cpu, unexplained_calls(one, match, told.functions),
                        "calls in the tree whose sk_buff was not seen: the probe was hidden",
                        losses);
        add_by_function("bpf_reserve_failed", cpu, events_of(one.refused, told.functions),
                        "events refused by the full BPF ring buffer", losses);
        add_by_function("memory_limit_events", cpu,
                        events_of(one.events_over_limit, told.functions),
                        "sk_buffs not kept, the collector's memory limit being reached", losses);
        add("event_without_call", match.events_without_call,
            "sk_buffs seen at a call that the tree lacks");
        add("list_truncated", one.lists_truncated,
            "lists of sk_buffs of which only the first members were recorded");
        add("page_after_loss", one.pages_after_loss,
            "pages of the trace buffer that the kernel marked as following a loss");
        add("page_damaged", one.damaged_pages, "pages of the trace buffer that could not be read");
        add("foreign_record", one.foreign_records,
            "records in the trace buffer that are no entry and no return");
        add("memory_limit_records", one.records_over_limit,
            "entries and returns not kept, the collector's memory limit being reached");
    }
    std::uint64_t unknown_events = 0;
    for (const auto& [cpu, match] : told.matches) unknown_events += match.unknown_functions;
    total("too_deep", forest.too_deep, "calls that ftrace left out, being nested too deep");
    total("return_without_entry", forest.returns_without_entry, "returns whose entry was not seen");
    total("unknown_function", forest.unknown_functions + unknown_events,
          "records and events of a function that was not asked for");
    total("event_malformed", told.capture.malformed_events(),
          "events of the BPF program that are too short");
    total("skb_implausible", implausible,
          "arguments taken for an sk_buff whose fields cannot be one's");
}

void name_readers(chain::Packet& packet, const NameOf& name_of) {
    const auto name = [&name_of](chain::Fate& fate) {
        if (fate.pid) fate.comm = name_of(*fate.pid);
    };
    name(packet.fate);
    for (auto& fate : packet.fates) name(fate);
}

std::vector<std::uint32_t> threads_of(const Capture& capture) {
    std::set<std::uint32_t> threads;
    for (const auto& [cpu, one] : capture.cpus()) {
        for (const auto& record : one.records) threads.insert(record.pid);
    }
    return {threads.begin(), threads.end()};
}

Assembled assemble(const Capture& capture, const FunctionTable& functions, const Window& window,
                   const std::vector<std::string>& drop_reasons,
                   const std::map<std::uint32_t, std::string>& names, const Selection& selection) {
    std::map<unsigned, CpuMatch> matches;
    for (const auto& [cpu, one] : capture.cpus()) {
        matches.emplace(cpu, match_cpu(one, functions, window));
    }
    const auto forest = build_forest(capture, matches, functions, window);
    auto packets = follow_packets(capture, matches, forest, functions, drop_reasons);

    auto known_names = names;
    for (auto& [tid, name] : names_in_events(capture)) known_names[tid] = name;

    Assembled result;
    const ChainWriter writer(forest, functions, matches, packets.of_event, selection.interrupts);
    const auto name_of = [&known_names](std::uint32_t tid) {
        const auto name = known_names.find(tid);
        return name == known_names.end() ? std::string() : name->second;
    };
    result.chains = writer.chains_of(forest.tops, name_of);
    add_losses({capture, matches, functions}, forest, packets.implausible, result.losses);
    for (auto& packet : packets.packets) name_readers(packet, name_of);
    std::vector<bool> wanted;
    if (selection.filter.active()) {
        wanted = wanted_packets(capture, matches, packets, selection.filter, selection.marked);
    }
    result.packets = std::move(packets.packets);
    if (selection.filter.active()) {
        keep_wanted(wanted, functions, result.packets, result.chains);
    }
    return result;
}

}  // namespace skbtrail::tracer
