#include "tracer/command.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tracer/failure.h"

namespace skbtrail::tracer {

namespace {

constexpr int grace_ms = 10'000;

sigset_t watched_signals() {
    sigset_t set;
    sigemptyset(&set);
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGCHLD}) sigaddset(&set, number);
    return set;
}

[[noreturn]] void become(const std::vector<std::string>& words) {
    const auto set = watched_signals();
    ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
    ::signal(SIGPIPE, SIG_DFL);
    std::vector<char*> arguments;
    arguments.reserve(words.size() + 1);
    for (const auto& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    ::execvp(arguments[0], arguments.data());
    const int error = errno;
    std::fprintf(stderr, "skbtrail-collect: cannot run %s: %s\n", arguments[0],
                 std::strerror(error));
    ::_exit(error == ENOENT ? 127 : 126);
}

int exit_status(int status) {
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

SignalGuard::SignalGuard() {
    const auto set = watched_signals();
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

SignalGuard::~SignalGuard() {
    const auto set = watched_signals();
    // Those that came were heeded: unblocked, they would end the process now.
    const timespec at_once{};
    while (::sigtimedwait(&set, nullptr, &at_once) > 0) {
    }
    ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

bool SignalGuard::end_requested() const {
    sigset_t pending;
    sigemptyset(&pending);
    ::sigpending(&pending);
    return sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1 ||
           sigismember(&pending, SIGHUP) == 1;
}

int run_command(const std::vector<std::string>& words) {
    const auto set = watched_signals();
    const Fd signals(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals) throw Failure(fmt::format("Cannot wait for signals: {}.", std::strerror(errno)));
    const pid_t child = ::fork();
    if (child < 0) {
        throw Failure(fmt::format("Cannot start {}: {}.", words.front(), std::strerror(errno)));
    }
    if (child == 0) become(words);

    bool ending = false;
    for (;;) {
        pollfd poll{signals.get(), POLLIN, 0};
        const int ready = ::poll(&poll, 1, ending ? grace_ms : -1);
        if (ready == 0) ::kill(child, SIGKILL);
        signalfd_siginfo info{};
        while (::read(signals.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
            const auto number = static_cast<int>(info.ssi_signo);
            if (number == SIGCHLD) continue;
            ::kill(child, ending ? SIGKILL : number);
            ending = true;
        }
        int status = 0;
        const pid_t ended = ::waitpid(child, &status, WNOHANG);
        if (ended == child) return exit_status(status);
        if (ended < 0 && errno != EINTR) {
            throw Failure(
                fmt::format("Cannot wait for {}: {}.", words.front(), std::strerror(errno)));
        }
    }
}

}  // namespace skbtrail::tracer
