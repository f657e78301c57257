#include "labs/batch/pool.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <map>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device/unique_fd.h"
#include "guest/cache.h"
#include "guest/spawn_setup.h"
#include "labs/runner/data_files.h"
#include "labs/runner/failure.h"

namespace skbtrail::labs::batch {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr int tick_ms = 200;
constexpr std::size_t lines_of_a_failure = 6;

/// One run of the batch.
class Child {
  public:
    Child(const Cell& cell, const PoolOptions& options)
        : cell_(cell), directory_(options.directory / cell.folder()), since_(Clock::now()) {
        fs::create_directories(directory_);
        std::error_code error;
        fs::remove(directory_ / "result.json", error);
        start(options);
    }

    int fd() const { return process_fd_.get(); }
    const Cell& cell() const { return cell_; }
    Clock::time_point since() const { return since_; }
    void ask_to_end() const { ::kill(process_, SIGTERM); }

    /// To be called when fd() is readable.
    LabResult result(bool interrupted) {
        int status = 0;
        while (::waitpid(process_, &status, 0) < 0 && errno == EINTR) {
        }
        auto result = read_result();
        if (!result) {
            result = LabResult{};
            result->text = said(status);
            if (interrupted) result->outcome = LabOutcome::interrupted;
        }
        result->lab = cell_.lab;
        result->kernel = cell_.kernel;
        result->directory = directory_.string();
        result->seconds = std::chrono::duration<double>(Clock::now() - since_).count();
        guest::write_file_atomically(directory_ / "result.json", to_json(*result));
        return *result;
    }

  private:
    void start(const PoolOptions& options) {
        std::vector<std::string> arguments = {options.program.string(),
                                              "run",
                                              cell_.lab,
                                              "--output",
                                              directory_.string(),
                                              "--result",
                                              (directory_ / "result.json").string(),
                                              "--exit-with-parent"};
        if (!cell_.kernel.empty()) {
            arguments.insert(arguments.end(), {"--kernel", cell_.kernel});
        }
        arguments.insert(arguments.end(), options.arguments.begin(), options.arguments.end());
        std::vector<char*> pointers;
        for (auto& argument : arguments) pointers.push_back(argument.data());
        pointers.push_back(nullptr);

        guest::SpawnSetup setup;
        posix_spawn_file_actions_addopen(&setup.actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_addopen(&setup.actions, STDOUT_FILENO,
                                         (directory_ / "run.log").c_str(),
                                         O_WRONLY | O_CREAT | O_TRUNC, 0644);
        posix_spawn_file_actions_adddup2(&setup.actions, STDOUT_FILENO, STDERR_FILENO);
        const int error = ::posix_spawn(&process_, options.program.c_str(), &setup.actions,
                                        &setup.attributes, pointers.data(), environ);
        if (error != 0) {
            throw CannotRun(fmt::format("a run of {} cannot be started: {}", cell_.lab,
                                        std::generic_category().message(error)));
        }
        process_fd_.reset(static_cast<int>(::syscall(SYS_pidfd_open, process_, 0)));
        if (!process_fd_) {
            const int reason = errno;
            ask_to_end();
            throw CannotRun(fmt::format("a run of {} cannot be watched: pidfd_open: {}", cell_.lab,
                                        std::generic_category().message(reason)));
        }
    }

    std::optional<LabResult> read_result() const {
        try {
            return parse_result(guest::read_file(directory_ / "result.json"));
        } catch (const std::exception&) {
            return std::nullopt;  // it ended before it could say what came of it
        }
    }

    std::string said(int status) const {
        const auto how = WIFSIGNALED(status)
                             ? fmt::format("it was killed by signal {}", WTERMSIG(status))
                             : fmt::format("it ended with status {}", WEXITSTATUS(status));
        std::string text;
        for (const auto& line : last_lines(directory_ / "run.log", lines_of_a_failure)) {
            if (line.find_first_not_of(' ') != std::string::npos) text += " " + line;
        }
        return text.empty() ? how : fmt::format("{}:{}", how, text);
    }

    Cell cell_;
    fs::path directory_;
    Clock::time_point since_;
    pid_t process_ = -1;
    device::UniqueFd process_fd_;
};

class Pool {
  public:
    Pool(const std::vector<Cell>& cells, const PoolOptions& options, const SignalWatch& signals)
        : cells_(cells), options_(options), signals_(signals) {
        state_.total = cells.size();
        state_.jobs = options.jobs;
    }

    std::vector<LabResult> run(const std::function<void(const PoolState&)>& changed,
                               const std::function<void(const PoolState&)>& tick) {
        while (true) {
            fill();
            if (children_.empty()) break;
            if (serve()) {
                changed(state_);
            } else {
                tick(state_);
            }
        }
        std::vector<LabResult> results;
        for (const Cell& cell : cells_) {
            const auto found = results_.find(cell.folder());
            if (found != results_.end()) results.push_back(found->second);
        }
        return results;
    }

  private:
    void fill() {
        while (!interrupted_ && next_ < cells_.size() && children_.size() < options_.jobs) {
            children_.push_back(std::make_unique<Child>(cells_[next_++], options_));
        }
        state_.running.clear();
        for (const auto& child : children_)
            state_.running.push_back({child->cell(), child->since()});
    }

    /// Waits for something to happen; whether a run has ended.
    bool serve() {
        std::vector<pollfd> descriptors;
        for (const auto& child : children_) descriptors.push_back({child->fd(), POLLIN, 0});
        if (!interrupted_) descriptors.push_back({signals_.fd(), POLLIN, 0});
        if (::poll(descriptors.data(), descriptors.size(), tick_ms) <= 0) return false;
        if (!interrupted_ && descriptors.back().revents != 0) {
            interrupted_ = true;
            signals_.take();
            for (const auto& child : children_) child->ask_to_end();
            return false;
        }
        bool ended = false;
        for (std::size_t i = children_.size(); i-- > 0;) {
            if (descriptors[i].revents == 0) continue;
            auto result = children_[i]->result(interrupted_);
            state_.finished.push_back(result);
            results_[children_[i]->cell().folder()] = std::move(result);
            children_.erase(children_.begin() + static_cast<std::ptrdiff_t>(i));
            ended = true;
        }
        return ended;
    }

    const std::vector<Cell>& cells_;
    const PoolOptions& options_;
    const SignalWatch& signals_;
    std::size_t next_ = 0;
    bool interrupted_ = false;
    std::vector<std::unique_ptr<Child>> children_;
    std::map<std::string, LabResult> results_;
    PoolState state_;
};

}  // namespace

std::chrono::seconds PoolState::left(Clock::time_point now) const {
    if (finished.empty()) return std::chrono::seconds(0);
    double took = 0;
    for (const LabResult& result : finished) took += result.seconds;
    const double each = took / static_cast<double>(finished.size());
    double rest = each * static_cast<double>(total - finished.size());
    for (const Running& run : running) {
        rest -= std::min(each, std::chrono::duration<double>(now - run.since).count());
    }
    return std::chrono::seconds(static_cast<long>(rest / static_cast<double>(jobs)) + 1);
}

std::vector<LabResult> run_all(const std::vector<Cell>& cells, const PoolOptions& options,
                               const SignalWatch& signals,
                               const std::function<void(const PoolState&)>& changed,
                               const std::function<void(const PoolState&)>& tick) {
    return Pool(cells, options, signals).run(changed, tick);
}

}  // namespace skbtrail::labs::batch
