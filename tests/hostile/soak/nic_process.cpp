#include "tests/hostile/soak/nic_process.h"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device/unique_fd.h"

extern char** environ;

namespace skbtrail::hostile {

namespace fs = std::filesystem;
using device::UniqueFd;

namespace {

constexpr int start_limit_ms = 30'000;
constexpr int ready_descriptor = 3;

fs::path place(pid_t pid) {
    return fs::path("/proc") / std::to_string(pid);
}

/// The number behind `name` in /proc/PID/status.
std::uint64_t status_of(pid_t pid, const std::string& name) {
    std::ifstream file(place(pid) / "status");
    std::string line;
    while (std::getline(file, line)) {
        if (line.starts_with(name + ":")) {
            return std::stoull(line.substr(name.size() + 1));
        }
    }
    return 0;
}

double cpu_seconds_of(pid_t pid) {
    std::ifstream file(place(pid) / "stat");
    std::string text{std::istreambuf_iterator<char>(file), {}};
    // The name, in parentheses, may hold anything; user and system time are the 12th and 13th
    // field behind it.
    std::istringstream fields(text.substr(text.rfind(')') + 2));
    std::string skipped;
    for (int i = 0; i < 11; ++i) {
        fields >> skipped;
    }
    std::uint64_t user = 0;
    std::uint64_t system = 0;
    fields >> user >> system;
    return static_cast<double>(user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

}  // namespace

NicProcess::NicProcess(const std::string& program, std::vector<std::string> arguments) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) {
        throw std::runtime_error("no pipe for the NIC's readiness");
    }
    const UniqueFd reader(ends[0]);
    UniqueFd writer(ends[1]);
    arguments.insert(arguments.begin(), program);
    arguments.insert(arguments.end(),
                     {"--exit-with-parent", "--ready-fd", std::to_string(ready_descriptor)});
    std::vector<char*> pointers;
    for (std::string& argument : arguments) {
        pointers.push_back(argument.data());
    }
    pointers.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, writer.get(), ready_descriptor);
    const int error =
        ::posix_spawn(&pid_, program.c_str(), &actions, nullptr, pointers.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    writer.reset();
    if (error != 0) {
        throw std::runtime_error("cannot start " + program);
    }
    // A word, then the end: the NIC has closed the descriptor, and holds what it will hold.
    bool ready = false;
    for (;;) {
        pollfd wanted{reader.get(), POLLIN, 0};
        char word[8];
        const ssize_t got =
            ::poll(&wanted, 1, start_limit_ms) == 1 ? ::read(reader.get(), word, sizeof word) : -1;
        if (got <= 0) {
            ready = ready && got == 0;
            break;
        }
        ready = true;
    }
    if (!ready) {
        stop();
        throw std::runtime_error("the NIC did not come up");
    }
}

NicProcess::~NicProcess() {
    if (pid_ > 0) {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
}

bool NicProcess::alive() {
    int status = 0;
    if (pid_ > 0 && ::waitpid(pid_, &status, WNOHANG) == pid_) {
        pid_ = -1;
        status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    return pid_ > 0;
}

Holdings NicProcess::holdings() const {
    Holdings now;
    std::error_code gone;
    now.descriptors = static_cast<std::size_t>(
        std::distance(fs::directory_iterator(place(pid_) / "fd", gone), fs::directory_iterator()));
    now.resident_kib = status_of(pid_, "VmRSS");
    now.threads = status_of(pid_, "Threads");
    now.cpu_seconds = cpu_seconds_of(pid_);
    return now;
}

int NicProcess::stop() {
    if (alive()) {
        ::kill(pid_, SIGTERM);
        int status = 0;
        ::waitpid(pid_, &status, 0);
        pid_ = -1;
        status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    return status_;
}

}  // namespace skbtrail::hostile
