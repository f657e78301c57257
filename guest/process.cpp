#include "guest/process.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <optional>
#include <system_error>
#include <utility>

#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// Boost 1.74 counts on <utility> having been included.
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/process/args.hpp>
#include <boost/process/async_pipe.hpp>
#include <boost/process/child.hpp>
#include <boost/process/env.hpp>
#include <boost/process/environment.hpp>
#include <boost/process/error.hpp>
#include <boost/process/extend.hpp>
#include <boost/process/group.hpp>
#include <boost/process/io.hpp>
#include <boost/process/search_path.hpp>
#include <boost/process/start_dir.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "guest/error.h"

namespace skbtrail::guest {
namespace {

namespace asio = boost::asio;
namespace bp = boost::process;
using Clock = std::chrono::steady_clock;

/// How long the pipes may stay open behind the program's own end: long enough for what it wrote to
/// arrive, too short for a daemon it left to hold us up.
constexpr auto drain_time = std::chrono::seconds(1);

/// Gives the child a clean start: whatever signals this process blocks (the runner reads them from
/// a descriptor) must not stay blocked in apt; and it ends when we do.
struct CleanStart : bp::extend::handler {
    template <typename Executor>
    void on_exec_setup(Executor&) const {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, nullptr);
        signal(SIGPIPE, SIG_DFL);
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        // Not bp::limit_handles, which in Boost 1.74 closes the standard streams as well. Marking
        // instead of closing leaves Boost the pipe on which it reports that exec failed.
        ::close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
    }
};

/// Collects one stream of the child, up to a limit.
class Collector {
  public:
    Collector(bp::async_pipe& pipe, std::size_t limit) : pipe_(pipe), limit_(limit) {}

    void start(std::function<void()> closed) {
        pipe_.async_read_some(asio::buffer(chunk_),
                              [this, closed = std::move(closed)](
                                  const boost::system::error_code& error, std::size_t count) {
                                  const std::size_t kept = std::min(count, limit_ - text_.size());
                                  text_.append(chunk_.data(), kept);
                                  truncated_ = truncated_ || kept < count;
                                  if (error) {
                                      closed();
                                  } else {
                                      start(closed);
                                  }
                              });
    }

    std::string& text() { return text_; }
    bool truncated() const { return truncated_; }

  private:
    bp::async_pipe& pipe_;
    std::size_t limit_;
    std::array<char, 16384> chunk_{};
    std::string text_;
    bool truncated_ = false;
};

/// The name as a person would type it, for messages.
std::string spell(const Command& command) {
    return fmt::format("`{}`", fmt::join(command.arguments, " "));
}

boost::filesystem::path find_program(const Command& command) {
    if (command.arguments.empty()) {
        throw Error("No program was named to run.");
    }
    const std::string& name = command.arguments.front();
    if (name.find('/') != std::string::npos) {
        return name;
    }
    boost::filesystem::path found = bp::search_path(name);
    if (found.empty()) {
        // Tools for the administrator are not in everybody's PATH, and work for everybody.
        found = bp::search_path(name, {"/usr/sbin", "/sbin"});
    }
    if (found.empty()) {
        throw Error(fmt::format("The program {} is not installed (looked for it in PATH).", name));
    }
    return found;
}

/// One program while it runs: everything that may happen to it is an event of one loop.
class Run {
  public:
    explicit Run(const Command& command) : command_(command) {}

    ProcessResult wait() {
        const auto started = Clock::now();
        launch();
        on_stop_.emplace(command_.stop, [this] {
            asio::post(loop_, [this] { end(ProcessResult::Ending::stopped); });
        });
        loop_.run();
        on_stop_.reset();

        result_.output = std::move(output_.text());
        result_.errors = std::move(errors_.text());
        result_.truncated = output_.truncated() || errors_.truncated();
        result_.elapsed =
            std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - started);
        return std::move(result_);
    }

  private:
    void launch() {
        const boost::filesystem::path program = find_program(command_);
        const std::vector<std::string> arguments(command_.arguments.begin() + 1,
                                                 command_.arguments.end());
        bp::environment environment = boost::this_process::environment();
        for (const auto& [name, value] : command_.environment) {
            environment[name] = value;
        }
        const std::string directory =
            command_.directory.empty() ? std::string(".") : command_.directory.string();
        std::error_code error;
        child_ = bp::child(program, bp::args(arguments), environment, bp::start_dir(directory),
                           bp::std_in<bp::null, bp::std_out> output_pipe_,
                           bp::std_err > errors_pipe_, group_, CleanStart(), error);
        if (error) {
            throw Error(fmt::format("Could not start {}: {}.", spell(command_), error.message()));
        }
        watch_end();
        output_.start([this] { pipe_closed(); });
        errors_.start([this] { pipe_closed(); });
        timer_.expires_after(command_.deadline);
        timer_.async_wait([this](const boost::system::error_code& cancelled) {
            if (!cancelled) {
                end(ProcessResult::Ending::timed_out);
            }
        });
    }

    /// A descriptor that becomes readable when the child has ended needs no signal handler, which
    /// a library in a larger program should not install.
    void watch_end() {
        const int descriptor = static_cast<int>(::syscall(SYS_pidfd_open, child_.id(), 0));
        if (descriptor < 0) {
            const int reason = errno;
            group_.terminate();
            child_.wait();
            throw Error(fmt::format("Could not watch {}: {} (pidfd_open needs Linux 5.3).",
                                    spell(command_), std::strerror(reason)));
        }
        ended_.assign(descriptor);
        ended_.async_wait(asio::posix::stream_descriptor::wait_read,
                          [this](const boost::system::error_code& error) {
                              if (!error) {
                                  reap();
                              }
                          });
    }

    void reap() {
        // Not child_.wait(): it hides the signal.
        int status = 0;
        while (::waitpid(child_.id(), &status, 0) < 0 && errno == EINTR) {
        }
        child_.detach();
        group_.detach();  // or its end would end what the program left in the background
        over_ = true;
        if (WIFSIGNALED(status)) {
            result_.signal = WTERMSIG(status);
            if (result_.ending == ProcessResult::Ending::exited) {
                result_.ending = ProcessResult::Ending::signalled;
            }
        } else {
            result_.status = WEXITSTATUS(status);
        }
        if (killing_) {
            // What it had started goes with it, though it ended at the first signal itself.
            ::killpg(group_.native_handle(), SIGKILL);
        }
        timer_.expires_after(drain_time);
        timer_.async_wait([this](const boost::system::error_code&) { loop_.stop(); });
        finish_if_done();
    }

    void pipe_closed() {
        ++closed_pipes_;
        finish_if_done();
    }

    void finish_if_done() {
        if (over_ && closed_pipes_ == 2) {
            loop_.stop();
        }
    }

    /// Ends the whole group: first asking, then not.
    void end(ProcessResult::Ending why) {
        if (over_ || killing_) {
            return;
        }
        killing_ = true;
        result_.ending = why;
        ::killpg(group_.native_handle(), SIGTERM);
        timer_.expires_after(command_.grace);
        timer_.async_wait([this](const boost::system::error_code& cancelled) {
            if (!cancelled) {
                ::killpg(group_.native_handle(), SIGKILL);
            }
        });
    }

    const Command& command_;
    asio::io_context loop_;
    bp::async_pipe output_pipe_{loop_};
    bp::async_pipe errors_pipe_{loop_};
    Collector output_{output_pipe_, command_.output_limit};
    Collector errors_{errors_pipe_, command_.output_limit};
    asio::posix::stream_descriptor ended_{loop_};
    asio::steady_timer timer_{loop_};
    bp::group group_;
    bp::child child_;
    std::optional<std::stop_callback<std::function<void()>>> on_stop_;
    ProcessResult result_;
    int closed_pipes_ = 0;
    bool killing_ = false;
    bool over_ = false;
};

std::string last_line(const std::string& text) {
    const std::size_t end = text.find_last_not_of(" \t\r\n");
    if (end == std::string::npos) {
        return {};
    }
    const std::size_t start = text.find_last_of("\r\n", end);
    return text.substr(start == std::string::npos ? 0 : start + 1,
                       end - (start == std::string::npos ? 0 : start + 1) + 1);
}

}  // namespace

ProcessResult run_process(const Command& command) {
    Run run(command);
    return run.wait();
}

std::string describe(const Command& command, const ProcessResult& result) {
    std::string text = spell(command);
    switch (result.ending) {
        case ProcessResult::Ending::exited:
            text += fmt::format(" exited with status {}", result.status);
            break;
        case ProcessResult::Ending::signalled:
            text += fmt::format(" was ended by signal {} ({})", result.signal,
                                ::sigdescr_np(result.signal));
            break;
        case ProcessResult::Ending::timed_out:
            text += fmt::format(" did not end within {:.0f} s and was stopped",
                                std::chrono::duration<double>(command.deadline).count());
            break;
        case ProcessResult::Ending::stopped:
            text += " was stopped because that was asked for";
            break;
    }
    const std::string why = last_line(result.errors.empty() ? result.output : result.errors);
    return why.empty() ? text : text + ": " + why;
}

}  // namespace skbtrail::guest
