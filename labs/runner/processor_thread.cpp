#include "labs/runner/processor_thread.h"

#include <fstream>
#include <iterator>
#include <string>
#include <system_error>

#include <fmt/format.h>

#include "labs/runner/failure.h"
#include "labs/runner/reaper.h"
#include "tracer/chain/text.h"

namespace skbtrail::labs {
namespace {

namespace fs = std::filesystem;

/// What QEMU calls the one thread that runs all processors in turn (tcg-accel-ops-rr.c).
constexpr std::string_view thread_name = "ALL CPUs/TCG";

std::string read_text(const fs::path& file) {
    std::ifstream stream(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
}

/// The value behind "KEY:\t" in a status file; empty when it has no such line.
std::string_view value_of(std::string_view status, std::string_view key) {
    const auto begin = status.find(fmt::format("\n{}:\t", key));
    if (begin == std::string_view::npos) return {};
    const auto value = status.substr(begin + key.size() + 3);
    return value.substr(0, value.find('\n'));
}

}  // namespace

std::optional<Sleep> parse_sleep(std::string_view status) {
    const auto state = value_of(status, "State");
    const auto times = value_of(status, "voluntary_ctxt_switches");
    const auto number = chain::whole_number<decltype(Sleep::times)>(times);
    if (state.empty() || !number) return std::nullopt;
    Sleep sleep;
    sleep.times = *number;
    sleep.asleep = state.front() == 'S';
    return sleep;
}

ProcessorThread::ProcessorThread(const fs::path& directory) {
    for (const auto process : processes_of_run(directory, RunProcesses::qemu)) {
        std::error_code error;
        for (const auto& task :
             fs::directory_iterator(fmt::format("/proc/{}/task", process), error)) {
            if (read_text(task.path() / "comm").starts_with(thread_name)) {
                status_ = task.path() / "status";
                return;
            }
        }
    }
    throw CannotRun(fmt::format(
        "no thread \"{}\" of this run's QEMU was found, so nobody can say when the guest is idle",
        thread_name));
}

std::optional<Sleep> ProcessorThread::look() const {
    return parse_sleep(read_text(status_));
}

}  // namespace skbtrail::labs
