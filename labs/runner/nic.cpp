#include "labs/runner/nic.h"

#include <cerrno>
#include <csignal>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest/spawn_setup.h"
#include "labs/runner/data_files.h"
#include "labs/runner/failure.h"

namespace skbtrail::labs {
namespace {

constexpr int ready_fd_in_child = 3;
constexpr int end_limit_ms = 2000;

std::string message_of(int error) {
    return std::generic_category().message(error);
}

}  // namespace

std::vector<std::string> nic_arguments(const NicOptions& options, int ready_fd) {
    // Named by its file name: the reaper knows it by that.
    std::vector<std::string> arguments{options.program.string(),
                                       "--socket",
                                       options.socket.string(),
                                       "--wire",
                                       options.wire,
                                       "--capture",
                                       options.capture.string(),
                                       "--events",
                                       options.events.string(),
                                       "--ready-fd",
                                       std::to_string(ready_fd),
                                       "--exit-with-parent"};
    if (!options.features.empty()) {
        std::vector<std::string> switches;
        switches.reserve(options.features.size());
        for (const auto& [name, on] : options.features) {
            switches.push_back((on ? "+" : "-") + name);
        }
        arguments.push_back(fmt::format("--features={}", fmt::join(switches, ",")));
    }
    if (!options.control.empty()) {
        arguments.insert(arguments.end(), {"--control", options.control.string()});
    }
    if (options.queue_pairs > 1) {
        arguments.push_back(fmt::format("--queues={}", options.queue_pairs));
    }
    if (options.latency_ms != 0) {
        arguments.push_back(fmt::format("--latency={}", options.latency_ms));
    }
    return arguments;
}

Nic::Nic(NicOptions options) : options_(std::move(options)) {
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC) != 0) {
        throw CannotRun(fmt::format("cannot make a pipe: {}", message_of(errno)));
    }
    ready_.reset(ends[0]);
    // Above the number that the child gets it as: dup2 to itself would leave it close-on-exec.
    const device::UniqueFd writing(::fcntl(ends[1], F_DUPFD_CLOEXEC, 10));
    ::close(ends[1]);

    guest::SpawnSetup setup;
    posix_spawn_file_actions_addopen(&setup.actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&setup.actions, STDERR_FILENO, options_.log.c_str(),
                                     O_WRONLY | O_CREAT | O_TRUNC, 0644);
    posix_spawn_file_actions_adddup2(&setup.actions, STDERR_FILENO, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&setup.actions, writing.get(), ready_fd_in_child);

    auto arguments = nic_arguments(options_, ready_fd_in_child);
    std::vector<char*> pointers;
    pointers.reserve(arguments.size() + 1);
    for (auto& argument : arguments) {
        pointers.push_back(argument.data());
    }
    pointers.push_back(nullptr);
    const int error = ::posix_spawn(&process_, options_.program.c_str(), &setup.actions,
                                    &setup.attributes, pointers.data(), environ);
    if (error != 0) {
        process_ = -1;
        throw CannotRun(fmt::format("{}, {}, cannot be started: {}", options_.name,
                                    options_.program.string(), message_of(error)));
    }
    process_fd_.reset(static_cast<int>(::syscall(SYS_pidfd_open, process_, 0)));
    if (!process_fd_) {
        const auto reason = message_of(errno);
        end();
        throw CannotRun(fmt::format("{} cannot be watched: pidfd_open: {}", options_.name, reason));
    }
    ::fcntl(ready_.get(), F_SETFL, O_NONBLOCK);
}

Nic::~Nic() {
    end();
}

bool Nic::take_ready() {
    char buffer[64];
    const auto got = ::read(ready_.get(), buffer, sizeof buffer);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return false;
    }
    if (got > 0) {
        ready_text_.append(buffer, static_cast<std::size_t>(got));
        if (ready_text_.find('\n') == std::string::npos) {
            return false;
        }
        if (ready_text_.starts_with("ready\n")) {
            return true;
        }
    }
    end();
    throw CannotRun(fmt::format("{} did not come up ({}){}", options_.name,
                                ending().value_or("no reason known"), last_words()));
}

bool Nic::reap(int options) {
    if (wait_status_ || process_ < 0) {
        return true;
    }
    int status = 0;
    pid_t got = 0;
    do {
        got = ::waitpid(process_, &status, options);
    } while (got < 0 && errno == EINTR);
    if (got == process_) {
        wait_status_ = status;
    } else if (got < 0) {
        wait_status_ = 0;  // somebody else has waited for it: it is no longer ours to signal
    }
    return wait_status_.has_value();
}

std::optional<std::string> Nic::ending() {
    if (!reap(WNOHANG) || !wait_status_) {
        return std::nullopt;
    }
    if (WIFSIGNALED(*wait_status_)) {
        return fmt::format("killed by signal {}", WTERMSIG(*wait_status_));
    }
    return fmt::format("exit status {}", WEXITSTATUS(*wait_status_));
}

void Nic::end() noexcept {
    if (reap(WNOHANG)) {
        return;
    }
    ::kill(process_, SIGTERM);  // ours and not yet waited for: the number is still its own
    pollfd event{.fd = process_fd_.get(), .events = POLLIN, .revents = 0};
    if (!process_fd_ || ::poll(&event, 1, end_limit_ms) <= 0) {
        ::kill(process_, SIGKILL);
    }
    reap(0);
}

std::string Nic::last_words() const {
    auto lines = last_lines(options_.log, 2);
    // Behind what was wrong with its arguments: of no use to who did not write them.
    if (lines.size() == 2 && lines.back().starts_with("Try ")) {
        lines.pop_back();
    }
    return lines.empty() ? std::string() : fmt::format(". It said: {}", lines.back());
}

}  // namespace skbtrail::labs
