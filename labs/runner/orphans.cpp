#include "labs/runner/orphans.h"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace skbtrail::labs {
namespace {

constexpr auto interval = std::chrono::milliseconds(20);

ChildState state_of(pid_t process) {
    std::ifstream stream(fmt::format("/proc/{}/stat", process));
    std::string text;
    std::getline(stream, text);
    return parse_child_state(text);
}

/// Reaps what is to be reaped among the children of one of our threads (the kernel keeps children
/// by thread).
void reap_children_of(const std::filesystem::path& thread, pid_t own_session) {
    std::ifstream children(thread / "children");
    for (pid_t child = 0; children >> child;) {
        if (is_ended_orphan(state_of(child), own_session)) {
            ::waitpid(child, nullptr, WNOHANG);
        }
    }
}

}  // namespace

ChildState parse_child_state(std::string_view stat) {
    // "PID (NAME) STATE PPID PGRP SESSION …", where NAME may itself have parentheses and spaces.
    const auto open = stat.find('(');
    const auto close = stat.rfind(')');
    if (open == std::string_view::npos || close == std::string_view::npos || close < open) {
        return {};
    }
    ChildState child;
    std::istringstream rest{std::string(stat.substr(close + 1))};
    pid_t parent = 0;
    pid_t group = 0;
    if (rest >> child.state >> parent >> group >> child.session) {
        child.name = stat.substr(open + 1, close - open - 1);
    }
    return child;
}

bool is_ended_orphan(const ChildState& child, pid_t own_session) {
    return child.state == 'Z' && child.session != own_session && child.name.starts_with("qemu-");
}

OrphanReaper::OrphanReaper() {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    thread_ = std::jthread(reap_until);
}

OrphanReaper::~OrphanReaper() {
    ::prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
}

void OrphanReaper::reap_until(const std::stop_token& stop) {
    const auto own_session = ::getsid(0);
    while (!stop.stop_requested()) {
        std::error_code error;
        for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task", error)) {
            reap_children_of(thread.path(), own_session);
        }
        std::this_thread::sleep_for(interval);
    }
}

}  // namespace skbtrail::labs
