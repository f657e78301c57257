#include "labs/runner/orphans.h"

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>
#include <vector>

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

/// The children of this process; the kernel keeps them by thread.
std::vector<pid_t> children() {
    std::vector<pid_t> found;
    std::error_code error;
    for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task", error)) {
        std::ifstream stream(thread.path() / "children");
        for (pid_t child = 0; stream >> child;) {
            found.push_back(child);
        }
    }
    return found;
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

void kill_children() noexcept {
    try {
        for (const auto child : children()) {
            ::kill(child, SIGKILL);
        }
    } catch (const std::exception&) {
        return;  // out of memory or descriptors: the end comes all the same
    }
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
        for (const auto child : children()) {
            if (is_ended_orphan(state_of(child), own_session)) {
                ::waitpid(child, nullptr, WNOHANG);
            }
        }
        std::this_thread::sleep_for(interval);
    }
}

}  // namespace skbtrail::labs
