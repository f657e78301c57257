#include "labs/runner/evidence.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "labs/runner/data_files.h"
#include "labs/runner/steering.h"

namespace skbtrail::labs {
namespace {

constexpr std::size_t usual_lines = 15;
constexpr std::size_t panic_lines = 30;
constexpr std::size_t looked_at = 120;

constexpr std::string_view panic_mark = "Kernel panic - not syncing";

/// What the kernel writes last in each of its ways to end (kernel/reboot.c).
struct Ending {
    std::string_view mark;
    std::string_view text;
};
constexpr Ending endings[] = {
    {panic_mark, "panicked"},
    {"reboot: Power down", "powered off"},
    {"reboot: Restarting system", "restarted"},
    {"reboot: System halted", "halted"},
};

bool is_panic(const std::string& line) {
    return line.find(panic_mark) != std::string::npos;
}

/// libvirt writes the command line over many lines, each ended by a backslash but the last.
bool is_command_line(const std::string& line) {
    return line.starts_with('-') || line.ends_with('\\');
}

}  // namespace

std::vector<std::string> console_evidence(const std::filesystem::path& console) {
    auto lines = last_lines(console, looked_at);
    const auto panic = std::find_if(lines.begin(), lines.end(), is_panic);
    if (panic != lines.end()) {
        lines.erase(lines.begin(), panic);
        lines.resize(std::min(lines.size(), panic_lines));
    } else if (lines.size() > usual_lines) {
        lines.erase(lines.begin(), lines.end() - usual_lines);
    }
    return lines;
}

bool is_quoted(const std::vector<std::string>& lines, const std::string& sentence) {
    // The last one may be the hint where help is, as behind a wrong command line.
    constexpr std::size_t last = 2;
    for (auto line = lines.rbegin(); line != lines.rend() && line < lines.rbegin() + last; ++line) {
        const auto program = line->find("skbtrail-");
        const auto said = program == line->npos ? line->npos : line->find(": ", program);
        if (said == line->npos) continue;
        const auto words = line->substr(said + 2);
        // Something that was told in passing is no reason: what came before may be.
        if (words.starts_with("info: ") || words.starts_with("warning: ")) continue;
        if (sentence.find(words) != sentence.npos) return true;
    }
    return false;
}

std::string console_ending(const std::filesystem::path& console) {
    for (const auto& line : last_lines(console, looked_at)) {
        for (const auto& ending : endings) {
            // Behind the time stamp; a panic's first line is followed by its backtrace.
            if (const auto at = line.find(ending.mark); at != std::string::npos) {
                return fmt::format("{} (\"{}\" on its console)", ending.text, line.substr(at));
            }
        }
    }
    return {};
}

std::string awaited_ending(Steering& steering, const std::filesystem::path& console,
                           std::chrono::milliseconds limit) {
    const auto give_up = std::chrono::steady_clock::now() + limit;
    std::string ending;
    steering.wait([&] {
        ending = console_ending(console);
        return !ending.empty() || std::chrono::steady_clock::now() >= give_up;
    });
    return ending;
}

std::vector<std::string> qemu_evidence(const std::filesystem::path& log) {
    auto lines = last_lines(log, looked_at);
    std::erase_if(lines, is_command_line);
    if (lines.size() > usual_lines) {
        lines.erase(lines.begin(), lines.end() - usual_lines);
    }
    return lines;
}

}  // namespace skbtrail::labs
