#include "tests/dpdk/child.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest/spawn_setup.h"

extern char** environ;

namespace skbtrail::dpdk {
namespace {

constexpr auto polite_limit = std::chrono::milliseconds(4000);
constexpr auto signal_limit = std::chrono::milliseconds(2000);

std::string message_of(int error) {
    return std::generic_category().message(error);
}

/// Where this thread runs, changed for what it starts, and put back.
class Placement {
  public:
    explicit Placement(const ChildOptions& options) {
        CPU_ZERO(&before_);
        if (options.cpu) {
            ::sched_getaffinity(0, sizeof before_, &before_);
            cpu_set_t one;
            CPU_ZERO(&one);
            CPU_SET(static_cast<std::size_t>(*options.cpu), &one);
            if (::sched_setaffinity(0, sizeof one, &one) != 0) {
                throw std::runtime_error(fmt::format("this process may not run on processor {}: {}",
                                                     *options.cpu, message_of(errno)));
            }
            moved_ = true;
        }
    }
    ~Placement() {
        if (moved_) {
            ::sched_setaffinity(0, sizeof before_, &before_);
        }
    }
    Placement(const Placement&) = delete;
    Placement& operator=(const Placement&) = delete;

  private:
    cpu_set_t before_{};
    bool moved_ = false;
};

/// A pipe whose ends are above the numbers that a child gets them as: dup2 to itself would leave
/// them close-on-exec.
struct Pipe {
    device::UniqueFd reading;
    device::UniqueFd writing;

    Pipe() {
        int ends[2] = {-1, -1};
        if (::pipe2(ends, O_CLOEXEC) != 0) {
            throw std::runtime_error(fmt::format("cannot make a pipe: {}", message_of(errno)));
        }
        const device::UniqueFd first(ends[0]);
        const device::UniqueFd second(ends[1]);
        reading.reset(::fcntl(ends[0], F_DUPFD_CLOEXEC, 10));
        writing.reset(::fcntl(ends[1], F_DUPFD_CLOEXEC, 10));
    }
};

std::vector<char*> pointers(std::vector<std::string>& strings) {
    std::vector<char*> result;
    result.reserve(strings.size() + 1);
    for (std::string& string : strings) {
        result.push_back(string.data());
    }
    result.push_back(nullptr);
    return result;
}

std::vector<std::string> environment_with(const std::map<std::string, std::string>& more) {
    std::vector<std::string> result;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string text(*entry);
        if (!more.contains(text.substr(0, text.find('=')))) {
            result.push_back(text);
        }
    }
    for (const auto& [name, value] : more) {
        result.push_back(name + "=" + value);
    }
    return result;
}

}  // namespace

Child::Child(const ChildOptions& options) : name_(options.arguments.at(0)), log_(options.log) {
    Pipe input;
    Pipe ready;
    guest::SpawnSetup setup;
    posix_spawn_file_actions_adddup2(&setup.actions, input.reading.get(), STDIN_FILENO);
    posix_spawn_file_actions_addopen(&setup.actions, STDOUT_FILENO, log_.c_str(),
                                     O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644);
    posix_spawn_file_actions_adddup2(&setup.actions, STDOUT_FILENO, STDERR_FILENO);
    if (options.ready_pipe) {
        posix_spawn_file_actions_adddup2(&setup.actions, ready.writing.get(), ready_fd);
    }
    // setpriv becomes the program itself, which the kernel then kills when this thread ends: one
    // that polls must not be left behind, whatever becomes of us.
    std::vector<std::string> arguments{"setpriv", "--pdeathsig", "KILL", "--"};
    arguments.insert(arguments.end(), options.arguments.begin(), options.arguments.end());
    std::vector<std::string> environment = environment_with(options.environment);
    int error = 0;
    {
        const Placement placement(options);
        error = ::posix_spawnp(&pid_, arguments[0].c_str(), &setup.actions, &setup.attributes,
                               pointers(arguments).data(), pointers(environment).data());
    }
    if (error != 0) {
        pid_ = -1;
        throw std::runtime_error(fmt::format("{} cannot be started: {}", name_, message_of(error)));
    }
    process_.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
    input_ = std::move(input.writing);
    if (options.ready_pipe) {
        ready_ = std::move(ready.reading);
    }
}

Child::~Child() {
    end(false);
}

void Child::say(std::string_view line) {
    const std::string text = fmt::format("{}\n", line);
    if (::write(input_.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
        throw std::runtime_error(
            fmt::format("{} does not read its standard input: {}", name_, message_of(errno)));
    }
}

bool Child::wait_ready(std::chrono::milliseconds limit) {
    pollfd event{.fd = ready_.get(), .events = POLLIN, .revents = 0};
    if (::poll(&event, 1, static_cast<int>(limit.count())) != 1) {
        return false;
    }
    char text[16];
    return ::read(ready_.get(), text, sizeof text) > 0;
}

std::string Child::ending(std::chrono::milliseconds limit) const {
    siginfo_t info{};
    if (!wait_end(limit) ||
        ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
        info.si_pid == 0) {
        return {};
    }
    if (info.si_code == CLD_EXITED) {
        return fmt::format("status {}", info.si_status);
    }
    return fmt::format("signal {} ({})", info.si_status, ::strsignal(info.si_status));
}

bool Child::running() const {
    return !reaped_ && pid_ > 0 && !wait_end(std::chrono::milliseconds(0));
}

bool Child::wait_end(std::chrono::milliseconds limit) const {
    pollfd event{.fd = process_.get(), .events = POLLIN, .revents = 0};
    return ::poll(&event, 1, static_cast<int>(limit.count())) == 1;
}

bool Child::end(bool with_signal) {
    if (reaped_ || pid_ < 0) {
        return ended_well_;
    }
    input_.reset();
    if (with_signal) {
        ::kill(pid_, SIGTERM);
    }
    if (!wait_end(polite_limit)) {
        ::kill(pid_, SIGTERM);
        if (!wait_end(signal_limit)) {
            ::kill(pid_, SIGKILL);
        }
    }
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    reaped_ = true;
    ended_well_ = WIFEXITED(status) ? WEXITSTATUS(status) == 0 : WTERMSIG(status) == SIGTERM;
    return ended_well_;
}

std::string Child::log() const {
    std::ifstream file(log_, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

std::string Child::last_words() const {
    std::istringstream lines(log());
    std::string last;
    for (std::string line; std::getline(lines, line);) {
        // An advice to read --help says nothing about what was wrong.
        const bool advice = line.starts_with("Try ") && line.ends_with("--help.");
        if (line.find_first_not_of(" \t\r") != std::string::npos && !advice) {
            last = line;
        }
    }
    return last;
}

}  // namespace skbtrail::dpdk
