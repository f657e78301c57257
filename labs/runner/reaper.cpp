#include "labs/runner/reaper.h"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "labs/runner/failure.h"

namespace skbtrail::labs {
namespace {

namespace fs = std::filesystem;

/// The arguments of a process; none when it is gone or a kernel thread.
std::vector<std::string> arguments_of(pid_t process) {
    std::ifstream stream(fmt::format("/proc/{}/cmdline", process), std::ios::binary);
    std::vector<std::string> arguments;
    for (std::string argument; std::getline(stream, argument, '\0');) {
        arguments.push_back(argument);
    }
    return arguments;
}

bool belongs_to_run(pid_t process, const std::string& mark, RunProcesses which) {
    const auto arguments = arguments_of(process);
    if (arguments.empty()) {
        return false;
    }
    const auto program = fs::path(arguments.front()).filename().string();
    const bool nic = program == "skbtrail-nic" && which == RunProcesses::all;
    if (!nic && !program.starts_with("qemu-")) {
        return false;
    }
    for (std::size_t index = 1; index < arguments.size(); ++index) {
        if (arguments[index].find(mark) != std::string::npos) {
            return true;
        }
    }
    return false;
}

/// A path that occurs in the run's command lines and in no other's.
std::string command_line_mark(const fs::path& directory) {
    return directory.string() + "/";
}

/// Kills a process after having looked at it through a pidfd, so that an id that was given to
/// somebody else in between is noticed. Returns its pidfd, or none when there was nothing to kill.
device::UniqueFd kill_process_of_run(pid_t process, const std::string& mark, RunProcesses which) {
    device::UniqueFd handle(static_cast<int>(::syscall(SYS_pidfd_open, process, 0)));
    if (!handle || !belongs_to_run(process, mark, which)) {
        return {};
    }
    ::syscall(SYS_pidfd_send_signal, handle.get(), SIGKILL, nullptr, 0);
    return handle;
}

[[noreturn]] void guard(const fs::path& directory, int pipe, int lock) {
    ::setsid();
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGTTOU, SIGTTIN}) {
        ::signal(signal, SIG_IGN);
    }
    ::prctl(PR_SET_NAME, "skbtrail-guard");
    // Whatever else was open belongs to the program, and would outlive it here.
    const int kept_low = pipe < lock ? pipe : lock;
    const int kept_high = pipe < lock ? lock : pipe;
    for (int fd = 3; fd < kept_low; ++fd) {
        ::close(fd);
    }
    for (int fd = kept_low + 1; fd < kept_high; ++fd) {
        ::close(fd);
    }
    ::syscall(SYS_close_range, static_cast<unsigned>(kept_high + 1), ~0U, 0);
    const int null = ::open("/dev/null", O_RDWR);
    for (int fd = 0; null >= 0 && fd < 3; ++fd) {
        ::dup2(null, fd);
    }
    char word = 0;
    ssize_t got = 0;
    do {
        got = ::read(pipe, &word, 1);
    } while (got < 0 && errno == EINTR);
    if (got == 0) {  // the end without the word: the program died
        remove_run(directory);
    }
    ::_exit(0);
}

}  // namespace

std::vector<pid_t> processes_of_run(const fs::path& directory, RunProcesses which) {
    const auto mark = command_line_mark(directory);
    std::vector<pid_t> found;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator("/proc", error)) {
        const auto name = entry.path().filename().string();
        if (name.find_first_not_of("0123456789") != std::string::npos) {
            continue;
        }
        struct stat status{};
        if (::stat(entry.path().c_str(), &status) != 0 || status.st_uid != ::geteuid()) {
            continue;
        }
        const auto process = static_cast<pid_t>(std::stol(name));
        if (belongs_to_run(process, mark, which)) {
            found.push_back(process);
        }
    }
    return found;
}

std::size_t end_processes_of_run(const fs::path& directory, RunProcesses which) noexcept {
    using namespace std::chrono_literals;
    try {
        const auto deadline = std::chrono::steady_clock::now() + 2s;
        std::size_t ended = 0;
        // Again until there is none: QEMU forks once while it starts.
        for (auto processes = processes_of_run(directory, which);
             !processes.empty() && std::chrono::steady_clock::now() < deadline;
             processes = processes_of_run(directory, which)) {
            for (const auto process : processes) {
                const auto handle =
                    kill_process_of_run(process, command_line_mark(directory), which);
                if (handle) {
                    ++ended;
                    pollfd event{.fd = handle.get(), .events = POLLIN, .revents = 0};
                    ::poll(&event, 1, 500);
                }
            }
        }
        return ended;
    } catch (const std::exception&) {
        return 0;  // out of memory or descriptors: the sweep at the next start is there for it
    }
}

void remove_run(const fs::path& directory) noexcept {
    end_processes_of_run(directory);
    std::error_code error;
    fs::remove_all(directory, error);
}

Guardian::Guardian(const fs::path& directory, int lock) {
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC) != 0) {
        throw CannotRun(
            fmt::format("cannot make a pipe: {}", std::generic_category().message(errno)));
    }
    device::UniqueFd reading(ends[0]);
    pipe_.reset(ends[1]);
    std::fflush(nullptr);
    process_ = ::fork();
    if (process_ < 0) {
        throw CannotRun(fmt::format("cannot fork: {}", std::generic_category().message(errno)));
    }
    if (process_ == 0) {
        pipe_.reset();
        guard(directory, reading.get(), lock);
    }
}

Guardian::~Guardian() {
    const char word = '.';
    while (::write(pipe_.get(), &word, 1) < 0 && errno == EINTR) {
    }
    pipe_.reset();
    while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
    }
}

}  // namespace skbtrail::labs
