#include "tracer/plan.h"

#include <algorithm>
#include <concepts>
#include <iterator>

#include <fmt/format.h>

#include "tracer/chain/text.h"
#include "tracer/failure.h"
#include "tracer/files.h"

namespace skbtrail::tracer {

namespace {

constexpr std::string_view plan_first_line = "skbtrail-plan 2";

template <std::integral Number>
Number number(std::string_view word) {
    const auto value = chain::whole_number<Number>(word);
    if (!value) {
        throw Failure(
            fmt::format("The plan is damaged: \"{}\" is not a number of the size "
                        "that belongs there. Delete the file.",
                        word.substr(0, 40)));
    }
    return *value;
}

std::vector<std::string_view> split_tabs(std::string_view line) {
    std::vector<std::string_view> words;
    for (;;) {
        const auto tab = line.find('\t');
        words.push_back(line.substr(0, tab));
        if (tab == std::string_view::npos) return words;
        line.remove_prefix(tab + 1);
    }
}

/// Text of a person's reading must not break the lines and tabs of the format.
std::string flat(std::string text) {
    for (char& c : text) {
        if (c == '\t' || c == '\n') c = ' ';
    }
    return text;
}

void parse_line(const std::vector<std::string_view>& words, Plan& plan) {
    const auto need = [&words](std::size_t count) {
        if (words.size() != count) {
            throw Failure(
                fmt::format("The plan is damaged: a line that begins with \"{}\" has {} "
                            "words instead of {}. Delete the file.",
                            words[0].substr(0, 40), words.size(), count));
        }
    };
    if (words[0] == "f") {
        need(8);
        PlannedFunction function;
        function.record = number<std::uint32_t>(words[1]);
        function.module = number<std::uint16_t>(words[2]);
        function.site = number<std::int64_t>(words[3]);
        function.shift = number<std::uint8_t>(words[4]);
        function.roles = number<std::uint32_t>(words[5]);
        if (words[6] != "-") function.cookie = number<std::uint32_t>(words[6]);
        function.name = words[7];
        if (function.module > plan.modules.size()) {
            throw Failure(
                "The plan is damaged: a function of a module that it does not list. "
                "Delete the file.");
        }
        plan.functions.push_back(std::move(function));
    } else if (words[0] == "module") {
        need(3);
        plan.modules.push_back({std::string(words[1]), number<std::uint64_t>(words[2])});
    } else if (words[0] == "reason") {
        need(2);
        plan.drop_reasons.emplace_back(words[1]);
    } else if (words[0] == "unavailable") {
        need(3);
        plan.unavailable.push_back({std::string(words[1]), std::string(words[2])});
    } else if (words[0] == "note") {
        need(2);
        plan.notes.emplace_back(words[1]);
    } else if (words[0] == "collector") {
        need(2);
        plan.collector = words[1];
    } else if (words[0] == "build") {
        need(2);
        plan.build_id = words[1];
    } else if (words[0] == "release") {
        need(2);
        plan.release = words[1];
    } else if (words[0] == "no-bpf") {
        need(2);
        plan.no_bpf = words[1];
    } else if (words[0] == "sk_buff") {
        need(2);
        plan.layout.size = number<std::uint32_t>(words[1]);
    } else if (words[0] == "member") {
        need(5);
        const auto entry = std::find_if(
            layout_entries.begin(), layout_entries.end(), [&words](const auto& candidate) {
                return candidate.structure == words[1] && candidate.path == words[2];
            });
        if (entry == layout_entries.end()) {
            throw Failure(fmt::format(
                "The plan is damaged: it tells where {}.{} lies, which is not looked at. Delete "
                "the file.",
                words[1].substr(0, 40), words[2].substr(0, 40)));
        }
        plan.layout.*
            entry->target = {number<std::uint32_t>(words[3]), number<std::uint32_t>(words[4])};
    } else if (words[0] == "page_offset_base") {
        need(2);
        plan.page_offset_base = number<std::int64_t>(words[1]);
    } else if (words[0] == "vmemmap_base") {
        need(2);
        plan.vmemmap_base = number<std::int64_t>(words[1]);
    } else {
        throw Failure(
            fmt::format("The plan is damaged: no line begins with \"{}\". Delete the "
                        "file.",
                        words[0].substr(0, 40)));
    }
}

}  // namespace

std::string to_text(const Plan& plan) {
    std::string text;
    text.reserve(plan.functions.size() * 64);
    auto out = std::back_inserter(text);
    fmt::format_to(out, "{}\ncollector\t{}\nbuild\t{}\nrelease\t{}\n", plan_first_line,
                   plan.collector, plan.build_id, plan.release);
    if (plan.page_offset_base) {
        fmt::format_to(out, "page_offset_base\t{}\n", *plan.page_offset_base);
    }
    if (plan.vmemmap_base) fmt::format_to(out, "vmemmap_base\t{}\n", *plan.vmemmap_base);
    for (const auto& module : plan.modules) {
        fmt::format_to(out, "module\t{}\t{}\n", module.name, module.size);
    }
    if (!plan.no_bpf.empty()) fmt::format_to(out, "no-bpf\t{}\n", flat(plan.no_bpf));
    if (plan.layout.size != 0) {
        fmt::format_to(out, "sk_buff\t{}\n", plan.layout.size);
        for (const auto& entry : layout_entries) {
            const auto& member = plan.layout.*entry.target;
            fmt::format_to(out, "member\t{}\t{}\t{}\t{}\n", entry.structure, entry.path,
                           member.offset, member.size);
        }
    }
    for (const auto& reason : plan.drop_reasons) fmt::format_to(out, "reason\t{}\n", reason);
    for (const auto& entry : plan.unavailable) {
        fmt::format_to(out, "unavailable\t{}\t{}\n", flat(entry.function), flat(entry.reason));
    }
    for (const auto& note : plan.notes) fmt::format_to(out, "note\t{}\n", flat(note));
    for (const auto& function : plan.functions) {
        fmt::format_to(out, "f\t{}\t{}\t{}\t{}\t{}\t", function.record, function.module,
                       function.site, function.shift, function.roles);
        if (function.cookie) {
            fmt::format_to(out, "{}", *function.cookie);
        } else {
            text += '-';
        }
        fmt::format_to(out, "\t{}\n", function.name);
    }
    text += "end\n";  // a file that was cut short must not pass for a whole one
    return text;
}

Plan parse_plan(std::string_view text) {
    const auto lines = chain::split_lines(text);
    if (lines.empty() || lines.front() != plan_first_line) {
        throw Failure(
            fmt::format("This is not a plan of this version: it does not begin with "
                        "\"{}\". Let --save-plan write a new one.",
                        plan_first_line));
    }
    if (lines.back() != "end") {
        throw Failure("The plan is cut short: its last line is not \"end\". Delete the file.");
    }
    Plan plan;
    for (std::size_t i = 1; i + 1 < lines.size(); ++i) parse_line(split_tabs(lines[i]), plan);
    return plan;
}

std::string why_unfit(const Plan& plan, const Circumstances& now) {
    if (plan.build_id != now.build_id) {
        return fmt::format("it was made for the kernel with build id {}, and this one has {}",
                           plan.build_id, now.build_id);
    }
    if (plan.collector != now.collector) return "another build of skbtrail-collect made it";
    if (plan.modules != now.modules) return "other modules are loaded, or in another order";
    return {};
}

}  // namespace skbtrail::tracer
