// The state as a person reads it.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "device/control/ctl.h"

namespace skbtrail::device {

namespace {

/// Words behind a label, broken into lines.
std::string words_text(std::string_view label, const Json& names) {
    constexpr std::size_t width = 98;
    constexpr std::size_t indent = 25;
    std::string text;
    std::string line = fmt::format("  {:<{}}", label, indent - 2);
    for (const Json& name : names) {
        const auto word = name.get<std::string>();
        if (line.size() + word.size() + 1 > width) {
            text += line + "\n";
            line = std::string(indent, ' ');
        }
        line += line.size() > indent ? " " + word : word;
    }
    if (names.empty()) {
        line += "none";
    }
    return text + line + "\n";
}

std::string bytes_text(std::uint64_t bytes) {
    constexpr std::string_view units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    auto value = static_cast<double>(bytes);
    std::size_t unit = 0;
    while (value >= 1024 && unit + 1 < std::size(units)) {
        value /= 1024;
        ++unit;
    }
    return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, units[unit]);
}

/// "1: 20, 3-4: 7": sizes that occurred.
std::string histogram_text(const Json& counts) {
    std::vector<std::string> parts;
    for (std::size_t n = 0; n < counts.size(); ++n) {
        const auto count = counts[n].get<std::uint64_t>();
        if (count == 0) {
            continue;
        }
        const std::uint64_t least = n < 2 ? n + 1 : (1ULL << (n - 1)) + 1;
        const std::uint64_t most = 1ULL << n;
        parts.push_back(n + 1 == counts.size() ? fmt::format("from {}: {}", least, count)
                        : least == most        ? fmt::format("{}: {}", most, count)
                                               : fmt::format("{}-{}: {}", least, most, count));
    }
    return parts.empty() ? "none" : fmt::format("{}", fmt::join(parts, ", "));
}

/// "queue 1 (transmit): running"
std::string queue_heading(const Json& queue) {
    return fmt::format("queue {} ({}): {}{}", queue["queue"].get<unsigned>(),
                       queue["role"].get<std::string>(), queue["state"].get<std::string>(),
                       queue["enabled"] == true ? "" : ", disabled");
}

/// What every queue has.
std::string ring_text(const Json& queue) {
    std::string text;
    if (queue.contains("broken_by")) {
        text += fmt::format("  broken by {}: {}\n", queue["broken_by"]["kind"].get<std::string>(),
                            queue["broken_by"]["message"].get<std::string>());
    }
    if (queue.contains("size")) {
        text += fmt::format("  {} entries, next available {}", queue["size"].get<unsigned>(),
                            queue["base"].get<unsigned>());
        if (queue.contains("next_used")) {
            text += fmt::format(", next used {}", queue["next_used"].get<unsigned>());
        }
        text += "\n";
    }
    if (queue.contains("addresses")) {
        text += fmt::format("  descriptors {}, available {}, used {}\n",
                            queue["addresses"]["descriptors"].get<std::string>(),
                            queue["addresses"]["available"].get<std::string>(),
                            queue["addresses"]["used"].get<std::string>());
    }
    return text;
}

std::string control_queue_text(const Json& queue) {
    const auto count = [&](const char* name) { return queue[name].get<std::uint64_t>(); };
    return queue_heading(queue) + "\n" + ring_text(queue) +
           fmt::format("  {} commands, {} refused; kicks {}, calls {}\n", count("commands"),
                       count("refused"), count("kicks"), count("calls"));
}

std::string queue_text(const Json& queue) {
    const Json& counters = queue["counters"];
    const auto count = [&](const char* name) { return counters[name].get<std::uint64_t>(); };
    std::string text = queue_heading(queue) + (queue["paused"] == true ? ", PAUSED" : "") +
                       (queue["frames_held"] == true ? ", frames HELD" : "") +
                       (queue["waiting"] == true ? " with work waiting\n" : "\n") +
                       ring_text(queue);
    text += fmt::format(
        "  {} frames, {}; dropped: not ready {}, link down {}, size {}, offload {}; refused {}\n",
        count("frames"), bytes_text(count("bytes")), count("dropped_not_ready"),
        count("dropped_link_down"), count("dropped_size"), count("dropped_offload"),
        count("refused"));
    text += fmt::format("  kicks {}, calls {}, suppressed {}", count("kicks"), count("calls"),
                        count("calls_suppressed"));
    if (count("calls_withheld") + count("calls_late") > 0) {
        text += fmt::format(", withheld {}, late {}", count("calls_withheld"), count("calls_late"));
    }
    text += fmt::format("\n  descriptors in a chain: {}\n  chains in a batch: {}\n",
                        histogram_text(queue["histograms"]["chain_descriptors"]),
                        histogram_text(queue["histograms"]["batch_chains"]));
    return text;
}

std::string wire_text(const Json& wire) {
    std::string text = fmt::format("wire: {}\n", wire["wire"].get<std::string>());
    for (const char* const way : {"from_guest", "to_guest"}) {
        text +=
            fmt::format("  {:<20}{} frames, {}, dropped {}\n",
                        way == std::string_view("from_guest") ? "from the guest" : "to the guest",
                        wire[way]["frames"].get<std::uint64_t>(),
                        bytes_text(wire[way]["bytes"].get<std::uint64_t>()),
                        wire[way]["dropped"].get<std::uint64_t>());
    }
    if (const auto waiting = wire["waiting"].get<std::uint64_t>(); waiting > 0) {
        text += fmt::format("  {} frames wait for receive buffers\n", waiting);
    }
    return text;
}

}  // namespace

std::string state_text(const Json& state) {
    std::string text =
        fmt::format("skbtrail-nic {}, up {:.0f} s, {}, link {}\n",
                    state["version"].get<std::string>(), state["uptime"].get<double>(),
                    state["front_end"] == true ? "front end connected" : "no front end",
                    state["link_up"] == true ? "up" : "DOWN");
    text += "features:\n";
    text += words_text("offered", state["features"]["offered"]["names"]);
    text += words_text("negotiated", state["features"]["negotiated"]["names"]);
    text += words_text("protocol, offered", state["features"]["protocol_offered"]["names"]);
    text += words_text("protocol, negotiated", state["features"]["protocol_negotiated"]["names"]);
    text += words_text("device status", state["status"]["names"]);
    text += "memory:\n";
    for (const Json& region : state["memory"]) {
        text += fmt::format("  guest {:<14} {:>10}  front end's {}, file at {:#x}{}\n",
                            region["guest_address"].get<std::string>(),
                            bytes_text(region["size"].get<std::uint64_t>()),
                            region["user_address"].get<std::string>(),
                            region["file_offset"].get<std::uint64_t>(),
                            region["lost"] == true ? ", LOST" : "");
    }
    text += state["memory"].empty() ? "  none\n" : "";
    text += wire_text(state["wire"]);
    for (const Json& queue : state["queues"]) {
        text += queue_text(queue);
    }
    if (state.contains("control_queue")) {
        text += control_queue_text(state["control_queue"]);
    }
    if (const auto filtered = state["filtered"].get<std::uint64_t>(); filtered > 0) {
        text += fmt::format("{} frames not wanted by the driver's filter\n", filtered);
    }
    if (state.contains("dirty_log")) {
        const Json& log = state["dirty_log"];
        text += fmt::format("dirty log: {}{}\n", bytes_text(log["bytes"].get<std::uint64_t>()),
                            log["lost"] == true ? ", LOST" : "");
    }
    for (const Json& one : state["breakpoints"]) {
        text += fmt::format("breakpoint {}: {}, hit {} times\n", one["number"].get<unsigned>(),
                            fmt::join(one["when"].get<std::vector<std::string>>(), " "),
                            one["hits"].get<std::uint64_t>());
    }
    for (const Json& one : state["faults"]) {
        text += fmt::format("fault {}: {}, struck {} of {} times\n", one["number"].get<unsigned>(),
                            one["fault"].get<std::string>(), one["struck"].get<std::uint64_t>(),
                            one["opportunities"].get<std::uint64_t>());
    }
    if (state.contains("ring_events")) {
        text += fmt::format("ring events: {}, lost {}\n",
                            state["ring_events"]["events"].get<std::uint64_t>(),
                            state["ring_events"]["lost"].get<std::uint64_t>());
    }
    return text;
}

}  // namespace skbtrail::device
