#include "labs/runner/watch.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <poll.h>
#include <sys/signalfd.h>

namespace skbtrail::labs {
namespace {

constexpr int tick_ms = 100;

}  // namespace

struct SignalWatch::Saved {
    sigset_t mask;
};

SignalWatch::SignalWatch() : saved_(std::make_unique<Saved>()) {
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGINT);
    sigaddset(&wanted, SIGTERM);
    // nohup ignores the hang-up on purpose.
    struct sigaction hang_up{};
    ::sigaction(SIGHUP, nullptr, &hang_up);
    if (hang_up.sa_handler != SIG_IGN) {
        sigaddset(&wanted, SIGHUP);
    }
    ::pthread_sigmask(SIG_BLOCK, &wanted, &saved_->mask);
    fd_.reset(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!fd_) {
        throw CannotRun("cannot make a signalfd: too many files are open");
    }
}

SignalWatch::~SignalWatch() {
    ::pthread_sigmask(SIG_SETMASK, &saved_->mask, nullptr);
}

std::string SignalWatch::take() const {
    signalfd_siginfo info{};
    if (::read(fd_.get(), &info, sizeof info) != static_cast<ssize_t>(sizeof info)) {
        return {};
    }
    const char* name = ::sigabbrev_np(static_cast<int>(info.ssi_signo));
    return name != nullptr ? fmt::format("SIG{}", name) : "a signal";
}

Watch::Watch(PhaseLog& phases, const SignalWatch& signals, std::function<void()> tick)
    : phases_(phases), signals_(signals), tick_(std::move(tick)) {}

void Watch::add(int fd, std::function<void()> ready) {
    ready_[fd] = std::move(ready);
}

void Watch::remove(int fd) {
    ready_.erase(fd);
}

int Watch::wait_limit() const {
    const auto deadline = phases_.deadline();
    if (!deadline) {
        return tick_ms;
    }
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
                          *deadline - std::chrono::steady_clock::now())
                          .count();
    return static_cast<int>(std::clamp<std::int64_t>(left + 1, 0, tick_ms));
}

void Watch::check_deadlines() const {
    if (const auto overdue = phases_.overdue()) {
        const auto sentence = fmt::format(
            "the phase \"{}\" did not end within {}. If this machine is slow or busy, "
            "--deadline-scale 3 gives every phase three times as long.",
            overdue->phase, format_seconds(overdue->limit));
        phases_.fail(overdue->phase, sentence);
        throw DeadlinePassed(sentence);
    }
}

void Watch::until(const std::function<bool()>& done) {
    while (!done()) {
        std::vector<pollfd> polled{{.fd = signals_.fd(), .events = POLLIN, .revents = 0},
                                   {.fd = wake_up_.fd(), .events = POLLIN, .revents = 0}};
        for (const auto& [fd, callback] : ready_) {
            polled.push_back({.fd = fd, .events = POLLIN, .revents = 0});
        }
        const int count = ::poll(polled.data(), polled.size(), wait_limit());
        if (count < 0 && errno != EINTR) {
            throw CannotRun(fmt::format("poll failed: {}", std::generic_category().message(errno)));
        }
        if (count > 0) {
            if (const auto signal = signals_.take(); !signal.empty()) {
                throw Interrupted(fmt::format("interrupted by {}", signal));
            }
            wake_up_.clear();
            for (std::size_t index = 2; index < polled.size(); ++index) {
                const auto found = ready_.find(polled[index].fd);
                if (polled[index].revents != 0 && found != ready_.end()) {
                    const auto callback = found->second;  // it may remove itself
                    callback();
                }
            }
        }
        if (tick_) {
            tick_();
        }
        if (!done()) {
            check_deadlines();
        }
    }
}

}  // namespace skbtrail::labs
