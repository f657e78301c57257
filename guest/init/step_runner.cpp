#include "guest/init/step_runner.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest/error.h"
#include "guest/init/system.h"

namespace skbtrail::guest {
namespace {

constexpr const char* collector = "/bin/skbtrail-collect";
constexpr const char* recording = "/run/recording.json";
/// What is relayed of one stream of one step; the rest is read and thrown away, so that a step that
/// floods neither stands still nor buries the host.
constexpr std::uint64_t output_limit = std::uint64_t{1} << 20;
/// A status line of the collector is a few hundred bytes.
constexpr std::size_t status_line_limit = 16384;
constexpr int status_descriptor = 3;
/// After its deadline a step is asked to end, and later made to. A collector has a recording to
/// write in between.
constexpr std::int64_t grace_ms = 2000;
constexpr std::int64_t recording_grace_ms = 6000;
/// What is left in the background gets this long at the end of the job.
constexpr std::int64_t last_grace_ms = 500;

struct Pipe {
    int read_end = -1;
    int write_end = -1;
};

Pipe make_pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) {
        throw Error("The guest could not make a pipe: " + reason(errno) + ".");
    }
    ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
    return {ends[0], ends[1]};
}

int exit_status(int status) {
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/// Child side: becomes the program. Nothing here may return.
[[noreturn]] void become(const std::vector<std::string>& command, int output, int errors,
                         int status) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    ::setsid();
    const int empty = ::open("/dev/null", O_RDONLY);
    if (empty >= 0) {
        ::dup2(empty, STDIN_FILENO);
    }
    ::dup2(output, STDOUT_FILENO);
    ::dup2(errors, STDERR_FILENO);
    if (status == status_descriptor) {
        ::fcntl(status, F_SETFD, 0);  // dup2 onto itself would leave it close-on-exec
    } else if (status >= 0) {
        ::dup2(status, status_descriptor);
    } else if (empty == status_descriptor) {
        ::close(empty);
    }
    std::vector<char*> arguments;
    arguments.reserve(command.size() + 1);
    for (const std::string& argument : command) {
        arguments.push_back(const_cast<char*>(argument.c_str()));
    }
    arguments.push_back(nullptr);
    ::execvp(arguments[0], arguments.data());
    const std::string message = "could not run " + command.front() + ": " + reason(errno) + "\n";
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, message.data(), message.size());
    ::_exit(127);  // as shells have it
}

/// The last line with anything in it.
std::string last_line(const std::string& text) {
    const std::size_t end = text.find_last_not_of(" \t\r\n");
    if (end == std::string::npos) {
        return {};
    }
    const std::size_t before = text.find_last_of('\n', end);
    const std::size_t start = before == std::string::npos ? 0 : before + 1;
    return text.substr(start, end + 1 - start);
}

}  // namespace

StepRunner::StepRunner(const JobSpec& job, HostLink& link) : job_(job), link_(link) {
    sigset_t children;
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    sigprocmask(SIG_BLOCK, &children, nullptr);
    signals_ = ::signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals_ < 0) {
        throw Error("The guest could not watch its processes: " + reason(errno) + ".");
    }
    for (const auto& [name, value] : job.environment) {
        ::setenv(name.c_str(), value.c_str(), 1);
    }
}

StepRunner::~StepRunner() {
    for (const Source& source : sources_) {
        ::close(source.descriptor);
    }
    ::close(signals_);
}

std::vector<std::string> StepRunner::command_line(const JobStep& step) const {
    if (!step.record) {
        return step.command;
    }
    std::vector<std::string> command = {collector, "--output", recording, "--status-fd",
                                        std::to_string(status_descriptor)};
    command.insert(command.end(), job_.collector.begin(), job_.collector.end());
    command.emplace_back("--");
    command.insert(command.end(), step.command.begin(), step.command.end());
    return command;
}

bool StepRunner::run(const JobStep& step) {
    start(step);
    while (!current_.status && link_.is_open()) {
        const std::int64_t left = current_.deadline - monotonic_ms();
        if (left <= 0) {
            handle_deadline();
        } else {
            wait_for_events(static_cast<int>(std::min<std::int64_t>(left, 60'000)));
        }
    }
    if (!link_.is_open() || !current_.status) {
        return false;
    }
    const int status = *current_.status;
    conclude(status);
    const bool recorded = !step.record || status == 0;
    const bool succeeded = current_.command.value_or(status) == 0;
    const bool in_time = current_.signals_sent == 0;
    current_ = {};
    return recorded && succeeded && in_time;
}

void StepRunner::start(const JobStep& step) {
    PhaseMessage started;
    started.name = phase::step_started;
    started.step = step.name;
    started.uptime_ms = uptime_ms();
    link_.send(started);

    ::unlink(recording);  // an earlier step's must not pass for this one's
    const std::vector<std::string> command = command_line(step);
    const Pipe output = make_pipe();
    const Pipe errors = make_pipe();
    const Pipe status = step.record ? make_pipe() : Pipe();
    const pid_t process = ::fork();
    if (process < 0) {
        throw Error("The guest could not start the step " + step.name + ": " + reason(errno) + ".");
    }
    if (process == 0) {
        become(command, output.write_end, errors.write_end, status.write_end);
    }
    ::close(output.write_end);
    ::close(errors.write_end);
    sources_.push_back({output.read_end, Source::Kind::standard_output, step.name, 0, false, {}});
    sources_.push_back({errors.read_end, Source::Kind::standard_error, step.name, 0, false, {}});
    if (step.record) {
        ::close(status.write_end);
        sources_.push_back(
            {status.read_end, Source::Kind::collector_status, step.name, 0, false, {}});
    }
    current_ = {};
    current_.step = &step;
    current_.process = process;
    current_.deadline =
        monotonic_ms() +
        std::chrono::duration_cast<std::chrono::milliseconds>(step.deadline).count();
    children_left_ = true;
}

/// The step's process has ended: what it wrote is relayed, then how it ended, then what it made.
void StepRunner::conclude(int status) {
    drain();
    const JobStep& step = *current_.step;
    tell_exhaustion();
    const bool in_time = current_.signals_sent == 0;
    PhaseMessage ended;
    ended.name = phase::step_ended;
    ended.step = step.name;
    ended.uptime_ms = uptime_ms();
    ended.status = status == 0 ? current_.command.value_or(0) & 0xff : status;
    ended.deadline_passed = !in_time;
    link_.send(ended);

    struct stat made{};
    // A collector that failed early leaves an empty file, or none.
    if (step.record && ::stat(recording, &made) == 0 && made.st_size > 0) {
        link_.file(recording, "recording.json", step.name);
    }
    if (!in_time) {
        link_.error("The step " + step.name + " did not end within its " +
                    std::to_string(step.deadline.count()) + " s and was stopped.");
    } else if (step.record && status != 0) {
        const std::string& why = current_.collector_message.empty() ? current_.last_error_line
                                                                    : current_.collector_message;
        link_.error("The step " + step.name +
                    " could not be recorded (skbtrail-collect ended "
                    "with status " +
                    std::to_string(status) + ")" + (why.empty() ? "." : ": " + why));
    } else if (*ended.status != 0) {
        link_.error("The step " + step.name + " failed with status " +
                    std::to_string(*ended.status) +
                    (current_.last_error_line.empty() ? "." : ": " + current_.last_error_line));
    }
}

/// Before the host hears of a failure, so that it can name the reason with it.
void StepRunner::tell_exhaustion() {
    for (const std::string& sentence : exhaustion_.news()) {
        link_.notice(sentence);
    }
}

void StepRunner::handle_deadline() {
    const JobStep& step = *current_.step;
    // The group, for what a shell has started; the second time also what it does not wait for.
    const bool first = current_.signals_sent++ == 0;
    if (first) {
        // Before the collector tells how its command ended: that it was stopped is why.
        drain();
        tell_exhaustion();
        PhaseMessage overdue;
        overdue.name = phase::step_overdue;
        overdue.step = step.name;
        overdue.uptime_ms = uptime_ms();
        link_.send(overdue);
    }
    ::kill(-current_.process, first ? SIGTERM : SIGKILL);
    current_.deadline = monotonic_ms() + (step.record && first ? recording_grace_ms : grace_ms);
}

void StepRunner::wait_for_events(int patience_ms) {
    std::vector<pollfd> waiting = {{.fd = signals_, .events = POLLIN, .revents = 0}};
    for (const Source& source : sources_) {
        waiting.push_back({.fd = source.descriptor, .events = POLLIN, .revents = 0});
    }
    if (::poll(waiting.data(), waiting.size(), patience_ms) <= 0) {
        return;
    }
    for (std::size_t i = 0; i < sources_.size(); ++i) {
        if (waiting[i + 1].revents != 0) {
            read_from(sources_[i]);
        }
    }
    drop_closed();
    if (waiting[0].revents != 0) {
        reap();
    }
}

void StepRunner::reap() {
    signalfd_siginfo ignored;
    while (::read(signals_, &ignored, sizeof ignored) > 0) {
    }
    while (true) {
        int status = 0;
        const pid_t process = ::waitpid(-1, &status, WNOHANG);
        if (process < 0 && errno == ECHILD) {
            children_left_ = false;
        }
        if (process <= 0) {
            return;
        }
        if (process == current_.process) {
            current_.status = exit_status(status);
        }
    }
}

/// Relays what has been written so far, without waiting for more.
void StepRunner::drain() {
    // Bounded by time, as a background process may be writing for ever.
    const std::int64_t give_up = monotonic_ms() + 200;
    bool more = true;
    while (more && monotonic_ms() < give_up) {
        more = false;
        for (Source& source : sources_) {
            more = read_from(source) || more;
        }
        drop_closed();
    }
}

/// Reads once. True when there may be more.
bool StepRunner::read_from(Source& source) {
    std::array<char, 65536> chunk;
    const ssize_t count = ::read(source.descriptor, chunk.data(), chunk.size());
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
        return false;
    }
    if (count <= 0) {
        ::close(source.descriptor);
        source.descriptor = -1;
        return false;
    }
    std::string bytes(chunk.data(), static_cast<std::size_t>(count));
    if (source.kind == Source::Kind::collector_status) {
        relay_status(source, bytes);
    } else {
        relay_output(source, std::move(bytes));
    }
    return true;
}

void StepRunner::drop_closed() {
    std::erase_if(sources_, [](const Source& source) { return source.descriptor < 0; });
}

void StepRunner::relay_output(Source& source, std::string bytes) {
    const bool errors = source.kind == Source::Kind::standard_error;
    if (errors && current_.step != nullptr && source.step == current_.step->name) {
        if (std::string line = last_line(bytes); !line.empty()) {
            current_.last_error_line = line.substr(0, 1000);
        }
    }
    if (source.truncated) {
        return;
    }
    if (source.relayed + bytes.size() > output_limit) {
        bytes.resize(output_limit - source.relayed);
        source.truncated = true;
    }
    source.relayed += bytes.size();
    if (!bytes.empty()) {
        OutputMessage message;
        message.step = source.step;
        message.stream =
            errors ? OutputMessage::Stream::standard_error : OutputMessage::Stream::standard_output;
        message.bytes = std::move(bytes);
        link_.send(message);
    }
    if (source.truncated) {
        link_.notice("The output of the step " + source.step + " is truncated after " +
                     std::to_string(output_limit) + " bytes.");
    }
}

void StepRunner::relay_status(Source& source, const std::string& bytes) {
    source.line += bytes;
    std::size_t start = 0;
    for (std::size_t end = source.line.find('\n'); end != std::string::npos;
         end = source.line.find('\n', start)) {
        status_line(source.step, source.line.substr(start, end - start));
        start = end + 1;
    }
    source.line.erase(0, start);
    if (source.line.size() > status_line_limit) {
        source.line.clear();
        link_.notice("A status line of skbtrail-collect was too long and is left out.");
    }
}

void StepRunner::status_line(const std::string& step, const std::string& line) {
    nlohmann::json status = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    const auto event = status.is_object() ? status.find("event") : status.end();
    if (!status.is_object() || event == status.end() || !event->is_string()) {
        link_.notice("skbtrail-collect wrote a status line that is none: " + line.substr(0, 200));
        return;
    }
    const nlohmann::json code = status.value("status", nlohmann::json());
    const nlohmann::json message = status.value("message", nlohmann::json());
    if (*event == "command ended" && code.is_number_integer()) {
        current_.command = code.get<int>();
        tell_exhaustion();
    } else if (*event == "error" && message.is_string()) {
        current_.collector_message = message.get<std::string>();
    }
    link_.send(CollectorMessage{.step = step, .status = std::move(status)});
}

void StepRunner::end_everything() {
    for (const int signal : {SIGTERM, SIGKILL}) {
        reap();
        if (!children_left_) {
            break;
        }
        ::kill(-1, signal);
        const std::int64_t give_up = monotonic_ms() + last_grace_ms;
        while (children_left_ && monotonic_ms() < give_up) {
            wait_for_events(static_cast<int>(give_up - monotonic_ms()));
        }
    }
    drain();
}

}  // namespace skbtrail::guest
