#include "tracer/command.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <optional>

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

constexpr int command_grace_ms = 10'000;
constexpr int look_ms = 100;

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

/// What is left of a recording's time.
class Deadline {
  public:
    explicit Deadline(double seconds) {
        if (seconds > 0)
            end_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                      std::chrono::duration<double>(seconds));
    }

    [[nodiscard]] bool passed() const { return end_ && Clock::now() >= *end_; }

    /// For poll(): milliseconds, `longest` at most; -1 when neither limits it.
    [[nodiscard]] int poll_ms(int longest) const {
        if (!end_) return longest;
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(*end_ - Clock::now()).count();
        const auto most = longest < 0 ? std::int64_t{3'600'000} : std::int64_t{longest};
        return static_cast<int>(std::clamp<std::int64_t>(left, 0, most));
    }

  private:
    using Clock = std::chrono::steady_clock;
    std::optional<Clock::time_point> end_;
};

Fd open_signals() {
    const auto set = watched_signals();
    Fd signals(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals) throw Failure(fmt::format("Cannot wait for signals: {}.", std::strerror(errno)));
    return signals;
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

int run_command(const std::vector<std::string>& words, const Limits& limits) {
    const auto signals = open_signals();
    const Deadline deadline(limits.seconds);
    const pid_t child = ::fork();
    if (child < 0) {
        throw Failure(fmt::format("Cannot start {}: {}.", words.front(), std::strerror(errno)));
    }
    if (child == 0) become(words);

    bool ending = false;
    for (;;) {
        pollfd poll{signals.get(), POLLIN, 0};
        const int ready = ::poll(&poll, 1, ending ? command_grace_ms : deadline.poll_ms(-1));
        if (ready == 0 && ending) {
            ::kill(child, SIGKILL);
        } else if (deadline.passed() && !ending) {
            ::kill(child, SIGTERM);
            ending = true;
        }
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

void wait_for_end(const Limits& limits) {
    const auto signals = open_signals();
    const Deadline deadline(limits.seconds);
    while (!deadline.passed()) {
        pollfd poll{signals.get(), POLLIN, 0};
        ::poll(&poll, 1, deadline.poll_ms(limits.enough ? look_ms : -1));
        signalfd_siginfo info{};
        while (::read(signals.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
            if (info.ssi_signo != SIGCHLD) return;
        }
        if (limits.enough && limits.enough()) return;
    }
}

}  // namespace skbtrail::tracer
