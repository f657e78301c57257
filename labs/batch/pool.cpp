#include "labs/batch/pool.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <poll.h>

#include "guest/cache.h"
#include "labs/batch/boots.h"
#include "labs/batch/child.h"

namespace skbtrail::labs::batch {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr int tick_ms = 200;
constexpr const char* result_file = "result.json";

/// What a process of the batch is doing.
struct Job {
    Boots::Task task;
    std::unique_ptr<Child> child;
};

std::optional<LabResult> read_result(const fs::path& directory) {
    try {
        return parse_result(guest::read_file(directory / result_file));
    } catch (const std::exception&) {
        return std::nullopt;  // it ended before it could say what came of it
    }
}

class Pool {
  public:
    Pool(const std::vector<Cell>& cells, const PoolOptions& options, const SignalWatch& signals)
        : cells_(cells),
          options_(options),
          signals_(signals),
          boots_(options.machines.empty() ? std::vector<std::string>(cells.size())
                                          : options.machines),
          results_(cells.size()) {
        state_.total = cells.size();
        state_.jobs = options.jobs;
    }

    std::vector<LabResult> run(const std::function<void(const PoolState&)>& changed,
                               const std::function<void(const PoolState&)>& tick) {
        while (true) {
            fill();
            if (jobs_.empty()) break;
            if (serve()) {
                changed(state_);
            } else {
                tick(state_);
            }
        }
        std::vector<LabResult> results;
        for (auto& result : results_) {
            if (result) results.push_back(std::move(*result));
        }
        return results;
    }

  private:
    void fill() {
        while (!interrupted_ && jobs_.size() < options_.jobs) {
            const auto task = boots_.next();
            if (!task) break;
            jobs_.push_back({*task, start(*task)});
        }
        state_.running.clear();
        for (const auto& job : jobs_) {
            state_.running.push_back({job.task.kind == Boots::Task::Kind::boot
                                          ? guest_folder(job.task.number)
                                          : cells_[job.task.number].folder(),
                                      job.child->since()});
        }
    }

    /// Where the guest of a boot is while it is needed.
    fs::path kept_guest(std::size_t boot) const {
        return options_.guests / fmt::format("guest-{}", boot);
    }
    static std::string guest_folder(std::size_t boot) { return fmt::format("guest-{}", boot); }

    std::unique_ptr<Child> start(const Boots::Task& task) const {
        const bool boots = task.kind == Boots::Task::Kind::boot;
        const Cell& cell = cells_[boots ? boots_.one_of(task.number) : task.number];
        const auto directory =
            options_.directory / (boots ? guest_folder(task.number) : cell.folder());
        std::vector<std::string> arguments = {"run", cell.lab, "--output", directory.string()};
        if (!boots) {
            std::error_code error;
            fs::remove(directory / result_file, error);
            arguments.insert(arguments.end(), {"--result", (directory / result_file).string()});
        }
        if (task.boot) {
            arguments.insert(arguments.end(), {boots ? "--keep-guest" : "--resume-guest",
                                               kept_guest(*task.boot).string()});
        }
        arguments.emplace_back("--exit-with-parent");
        if (!cell.kernel.empty()) arguments.insert(arguments.end(), {"--kernel", cell.kernel});
        arguments.insert(arguments.end(), options_.arguments.begin(), options_.arguments.end());
        return std::make_unique<Child>(options_.program, arguments, directory, cell.lab);
    }

    /// Waits for something to happen; whether there is something to tell.
    bool serve() {
        std::vector<pollfd> descriptors;
        for (const auto& job : jobs_) descriptors.push_back({job.child->fd(), POLLIN, 0});
        if (!interrupted_) descriptors.push_back({signals_.fd(), POLLIN, 0});
        if (::poll(descriptors.data(), descriptors.size(), tick_ms) <= 0) return false;
        if (!interrupted_ && descriptors.back().revents != 0) {
            interrupted_ = true;
            signals_.take();
            for (const auto& job : jobs_) job.child->ask_to_end();
            return false;
        }
        bool news = false;
        for (std::size_t i = jobs_.size(); i-- > 0;) {
            if (descriptors[i].revents == 0) continue;
            take_end(jobs_[i].task, *jobs_[i].child);
            jobs_.erase(jobs_.begin() + static_cast<std::ptrdiff_t>(i));
            news = true;
        }
        return news;
    }

    void take_end(const Boots::Task& task, Child& child) {
        const int status = child.wait();
        if (task.kind == Boots::Task::Kind::boot) {
            boots_.booted(task.number, status == 0);
            if (status != 0 && !interrupted_) {
                state_.notices.push_back(
                    fmt::format("no guest could be kept for {} labs, so each boots its own: {}",
                                boots_.size_of(task.number), child.said()));
            }
        } else if (task.boot && status == exit_not_resumed && !interrupted_) {
            boots_.not_resumed(task.number);
            state_.notices.push_back(fmt::format("{} could not take its guest up and boots one: {}",
                                                 cells_[task.number].folder(), child.said()));
        } else {
            take_result(task, child);
        }
    }

    void take_result(const Boots::Task& task, const Child& child) {
        const Cell& cell = cells_[task.number];
        auto result = read_result(child.directory());
        if (!result) {
            result = LabResult{};
            result->text = child.said();
            if (interrupted_) result->outcome = LabOutcome::interrupted;
        }
        result->lab = cell.lab;
        result->kernel = cell.kernel;
        result->directory = child.directory().string();
        if (task.boot) result->guest = guest_folder(*task.boot);
        result->seconds = std::chrono::duration<double>(Clock::now() - child.since()).count();
        guest::write_file_atomically(child.directory() / result_file, to_json(*result));
        state_.finished.push_back(*result);
        results_[task.number] = std::move(result);
        if (const auto done = boots_.ended(task.number)) {
            std::error_code error;
            fs::remove(kept_guest(*done), error);
        }
    }

    const std::vector<Cell>& cells_;
    const PoolOptions& options_;
    const SignalWatch& signals_;
    bool interrupted_ = false;
    Boots boots_;
    std::vector<Job> jobs_;
    std::vector<std::optional<LabResult>> results_;
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
