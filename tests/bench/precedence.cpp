#include "tests/bench/precedence.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <sched.h>
#include <sys/resource.h>

namespace skbtrail::bench {
namespace {

// Of equal priority none would ever interrupt the other, and those that do the work never pause:
// whoever is to answer questions, or to read the order to end, comes before them; and who asks
// comes before all.
constexpr int working = 1;
constexpr int answering = 2;
constexpr int measuring = 3;

std::string name_of(const std::filesystem::path& thread) {
    std::string name;
    std::ifstream(thread / "comm") >> name;
    return name;
}

std::vector<std::pair<pid_t, std::string>> threads_of(pid_t process) {
    std::vector<std::pair<pid_t, std::string>> threads;
    std::error_code gone;
    for (const auto& entry :
         std::filesystem::directory_iterator(fmt::format("/proc/{}/task", process), gone)) {
        threads.emplace_back(std::stoi(entry.path().filename().string()), name_of(entry.path()));
    }
    return threads;
}

/// The threads that poll: testpmd's forwarding threads, and the NIC's only one that does.
bool works(const std::string& name) {
    return name.starts_with("rte-worker") || name.starts_with("skbtrail-nic");
}

/// The NIC's thread that writes ring events gives way to everybody, and has to go on doing so.
bool gives_way(const std::string& name) {
    return name == "ring-events";
}

bool schedule(pid_t thread, int policy, int priority) {
    const sched_param parameters{.sched_priority = priority};
    return ::sched_setscheduler(thread, policy, &parameters) == 0;
}

bool limit(pid_t process, std::chrono::microseconds at_most) {
    const auto time = static_cast<rlim_t>(at_most.count());
    const rlimit both{.rlim_cur = time, .rlim_max = time};
    return ::prlimit(process, RLIMIT_RTTIME, &both, nullptr) == 0;
}

}  // namespace

Precedence::Precedence(bool wanted, const std::vector<pid_t>& processes,
                       std::chrono::milliseconds at_most) {
    if (!wanted) {
        return;
    }
    const auto require = [this](bool done) {
        if (!done) {
            const std::string reason = std::generic_category().message(errno);
            end();
            throw std::runtime_error(fmt::format("--realtime: not permitted here: {}", reason));
        }
    };
    // Who is there is found out before anybody precedes: what somebody of ordinary priority holds
    // in the kernel while it stands still, we would wait for, and the processes' time would run.
    std::vector<std::pair<int, pid_t>> all;
    for (const pid_t process : processes) {
        require(limit(process, at_most));
        for (const auto& [thread, name] : threads_of(process)) {
            if (!gives_way(name)) {
                all.emplace_back(works(name) ? working : answering, thread);
            }
        }
    }
    require(schedule(0, SCHED_FIFO, measuring));
    threads_.push_back(0);
    // Those that never pause come last.
    std::sort(all.rbegin(), all.rend());
    for (const auto& [priority, thread] : all) {
        require(schedule(thread, SCHED_FIFO, priority));
        threads_.push_back(thread);
    }
}

Precedence::~Precedence() {
    if (!threads_.empty()) {
        end();
        std::this_thread::sleep_for(std::chrono::steady_clock::now() - began_);
    }
}

void Precedence::end() noexcept {
    // Ours last: until then we must not be kept from it.
    for (auto thread = threads_.rbegin(); thread != threads_.rend(); ++thread) {
        schedule(*thread, SCHED_OTHER, 0);
    }
}

}  // namespace skbtrail::bench
