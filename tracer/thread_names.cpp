#include "tracer/thread_names.h"

#include <charconv>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "tracer/chain/text.h"
#include "tracer/files.h"

namespace skbtrail::tracer {

std::string name_of_living(std::uint32_t tid) {
    return std::string(trim(try_read_file(fmt::format("/proc/{}/comm", tid)).value_or("")));
}

std::map<std::uint32_t, std::string> thread_names(const std::string& tracefs,
                                                  const std::vector<std::uint32_t>& threads) {
    std::map<std::uint32_t, std::string> seen;
    const auto saved = try_read_file(tracefs + "/saved_cmdlines").value_or("");
    for (const auto line : chain::split_lines(saved)) {  // "PID NAME"
        const auto blank = line.find(' ');
        std::uint32_t tid = 0;
        const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), tid);
        if (error != std::errc{} || blank == std::string_view::npos) continue;
        seen[tid] = line.substr(blank + 1);
    }
    std::map<std::uint32_t, std::string> names;
    for (const auto tid : threads) {
        if (auto name = name_of_living(tid); !name.empty()) {
            names[tid] = std::move(name);
        } else if (const auto known = seen.find(tid); known != seen.end()) {
            names[tid] = known->second;
        }
    }
    return names;
}

}  // namespace skbtrail::tracer
