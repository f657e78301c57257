#include "tests/dpdk/run_times.h"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <system_error>

#include <fmt/format.h>

namespace skbtrail::dpdk {

RunTimes run_times_of(pid_t process) {
    RunTimes sum;
    std::error_code gone;
    const auto threads =
        std::filesystem::directory_iterator(fmt::format("/proc/{}/task", process), gone);
    if (gone) {
        return sum;
    }
    for (const auto& thread : threads) {
        std::ifstream file(thread.path() / "schedstat");
        std::int64_t running = 0;
        std::int64_t waiting = 0;
        if (file >> running >> waiting) {
            sum.running += std::chrono::nanoseconds(running);
            sum.waiting += std::chrono::nanoseconds(waiting);
        }
    }
    return sum;
}

}  // namespace skbtrail::dpdk
