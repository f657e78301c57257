#include "labs/runner/run.h"

#include <chrono>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "guest/cache.h"
#include "labs/check/check.h"
#include "labs/runner/aftermath.h"
#include "labs/runner/data_files.h"
#include "labs/runner/evidence.h"
#include "labs/runner/guest_messages.h"
#include "labs/runner/guest_progress.h"
#include "labs/runner/lab_image.h"
#include "labs/runner/last_resort.h"
#include "labs/runner/machine.h"
#include "labs/runner/result_directory.h"
#include "labs/runner/run_directory.h"
#include "labs/runner/steering.h"
#include "labs/runner/watch.h"

namespace skbtrail::labs {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr auto ending_limit = 3s;
constexpr auto join_limit = 2min;
constexpr auto check_limit = 2min;

class Run {
  public:
    Run(const Lab& lab, const Expectation& expectation, const RunOptions& options, PhaseLog& phases,
        const SignalWatch& signals, const std::function<void()>& tick)
        : lab_(lab),
          expectation_(expectation),
          options_(options),
          phases_(phases),
          swept_(sweep_dead_runs(run_directory_base())),
          directory_(run_directory_base()),
          last_resort_(directory_.path()),
          steering_(phases, signals, tick),
          machine_(lab, options, steering_, directory_.path(), guest::cache_root()),
          progress_(lab, phases) {}

    RunResult execute() {
        try {
            go();
            last_resort_.arm(clean_up_limit);
            phases_.start("clean-up", clean_up_limit);
            machine_.await_end();
            phases_.finish("clean-up");
            return std::move(result_);
        } catch (const Interrupted& interruption) {
            const auto phase = phases_.current();
            give_up();
            throw RunFailed(RunFailed::Cause::interrupted,
                            fmt::format("{} in phase \"{}\"", interruption.what(), phase), phase,
                            {}, kept());
        } catch (const NotApplicable& error) {
            fail(RunFailed::Cause::not_applicable, error);
        } catch (const std::exception& error) {
            fail(RunFailed::Cause::failed, error);
        }
    }

  private:
    void go() {
        prepare();
        machine_.start(results_->console(), "qemu-configs/domain.xml");
        follow_guest();
        machine_.end();
        keep_plan();
        result_.directory = results_->path();
        join();
        judge();
        if (options_.keep_logs) {
            keep_logs();
        }
    }

    void prepare() {
        if (swept_ > 0) {
            phases_.start("sweep", 1s);
            phases_.finish("sweep", fmt::format("removed what {} killed run(s) had left", swept_));
        }
        const auto& kernel = machine_.find_parts();
        results_ = std::make_unique<ResultDirectory>(
            options_.output.empty() ? default_result_path(lab_.name, kernel.release)
                                    : options_.output);
        machine_.assemble(*results_, [this] {
            auto request = lab_image(lab_, machine_.kernel());
            add_lab_job(request, lab_, machine_.plan_path());
            return request;
        });
    }

    void follow_guest() {
        auto& stream = machine_.stream();
        GuestMessages messages(stream);
        progress_.started(options_.resume_from.empty() ? "boot" : job_phase);
        bool open = true;
        steering_.watch().add(stream.fd(), [&] {
            open = messages.read([this](const auto& said) { progress_.take(said); });
            if (!open) steering_.watch().remove(stream.fd());
        });
        steering_.wait([&] { return progress_.results().ended || !open; });
        if (!progress_.results().ended) progress_.closed(stopped_early(messages));
        stream.acknowledge();
        steering_.watch().remove(stream.fd());
    }

    /// Why a guest was gone before its last message.
    std::string stopped_early(const GuestMessages& messages) {
        const auto ending = awaited_ending(steering_, results_->console(), ending_limit);
        if (!ending.empty()) {
            return fmt::format(
                "the guest {} before its steps were done: a script of {} did that, or the kernel "
                "itself",
                ending, lab_.folder.string());
        }
        return fmt::format("the guest stopped in the middle ({})", messages.broken_off());
    }

    void keep_plan() {
        if (const auto& made = progress_.results().plan) machine_.keep_plan(*made);
    }

    void join() {
        const auto& sent = progress_.results().recording;
        if (!sent) {
            throw CannotRun("the guest ended without having sent a recording");
        }
        results_->write(results_->output(), progress_.results().output);
        steering_.background(working_, "join", join_limit,
                             [this, &sent = *sent](const auto&, std::string& text) {
                                 auto joined = joined_recording(sent);
                                 result_.recording = std::move(joined.recording);
                                 result_.ring = std::move(joined.ring);
                                 text = std::move(joined.summary);
                                 return true;
                             });
        steering_.await(working_);
    }

    /// What the guest sent, joined with what the NIC saw, and written.
    JoinedRecording joined_recording(const std::string& sent) const {
        std::vector<fs::path> ring_events;
        for (std::size_t nic = 0; nic < lab_.nics.size(); ++nic) {
            ring_events.push_back(results_->ring_events(nic));
        }
        auto joined = join_recording(sent, ring_events,
                                     {.lab = lab_,
                                      .kernel = machine_.kernel(),
                                      .qemu = machine_.qemu(),
                                      .accelerator = machine_.accelerator(),
                                      .clock = options_.clock});
        results_->write(results_->recording(), joined.text);
        return joined;
    }

    void judge() {
        steering_.background(working_, "check", check_limit,
                             [this](const auto&, std::string& text) {
                                 result_.verdict = written_verdict(result_.recording);
                                 text = outcome_name(result_.verdict.outcome);
                                 return true;
                             });
        steering_.await(working_);
    }

    Verdict written_verdict(const chain::Recording& recording) const {
        auto verdict = check(recording, expectation_);
        results_->write(results_->verdict(), to_json(verdict));
        return verdict;
    }

    /// What a recording shows that came although a step failed: a packet that was dropped may well
    /// be why it did.
    std::optional<Verdict> verdict_on_what_came() const {
        const auto& sent = progress_.results().recording;
        if (!results_ || !sent) return std::nullopt;
        try {
            return written_verdict(joined_recording(*sent).recording);
        } catch (const std::exception&) {
            return std::nullopt;  // the failure that is being told is the one that counts
        }
    }

    // --- the end ------------------------------------------------------------------------------

    [[noreturn]] void fail(RunFailed::Cause cause, const std::exception& error) {
        // A phase that failed said so itself; else it is the one that runs.
        auto failed = phases_.failure();
        if (!failed) {
            failed = PhaseLog::Failure{phases_.current(), error.what()};
            phases_.fail(failed->phase, error.what());
        }
        give_up();
        if (const auto ending = overdue_ending(error); !ending.empty()) {
            failed->text += fmt::format(" But the guest {}.", ending);
        }
        if (failed->phase == "boot" && machine_.doubt_accelerator()) {
            failed->text +=
                " (It ran under KVM; --accelerator tcg tells whether that is the reason.)";
        }
        if (failed->phase == resume_phase || failed->phase == job_phase) {
            cause = RunFailed::Cause::not_resumed;
        }
        auto verdict = verdict_on_what_came();
        throw RunFailed(cause, failed->text, failed->phase, evidence(failed->text), kept(),
                        std::move(verdict));
    }

    /// How a guest has ended that a phase waited for in vain.
    std::string overdue_ending(const std::exception& error) const {
        const bool overdue = dynamic_cast<const DeadlinePassed*>(&error) != nullptr;
        return overdue && results_ ? console_ending(results_->console()) : std::string();
    }

    /// Ends everything, quickly, whatever state it is in. Never throws.
    void give_up() {
        phases_.mute();
        last_resort_.arm(clean_up_limit);
        save_output();
        machine_.abandon();
        keep_logs();
    }

    /// What the steps wrote, and a recording that came although a step failed.
    void save_output() const {
        try {
            const auto& got = progress_.results();
            if (results_ && !got.output.empty()) {
                results_->write(results_->output(), got.output);
            }
            std::error_code error;
            if (results_ && got.recording && !fs::exists(results_->recording(), error)) {
                results_->write(results_->recording(), *got.recording);
            }
        } catch (const std::exception&) {
            return;  // the failure that is being told is the one that counts
        }
    }

    void keep_logs() const {
        if (!results_) {
            return;
        }
        std::error_code error;
        fs::copy_file(machine_.qemu_log(), results_->qemu_log(),
                      fs::copy_options::overwrite_existing, error);
    }

    /// The logs that tell more than the failure's `sentence` does.
    std::vector<RunFailed::Evidence> evidence(const std::string& sentence) const {
        std::vector<RunFailed::Evidence> found;
        if (!results_ || is_quoted(last_lines(results_->console(), 1), sentence)) return found;
        for (std::size_t nic = 0; nic < lab_.nics.size(); ++nic) {
            if (is_quoted(last_lines(results_->nic_log(nic), 2), sentence)) return found;
        }
        const auto add = [&](const char* title, const fs::path& file,
                             std::vector<std::string> lines) {
            if (!lines.empty()) {
                found.push_back({title, file, std::move(lines)});
            }
        };
        add("the guest's console", results_->console(), console_evidence(results_->console()));
        for (std::size_t nic = 0; nic < lab_.nics.size(); ++nic) {
            const auto log = results_->nic_log(nic);
            add("the NIC's log", log, last_lines(log, 8));
        }
        add("QEMU's log", results_->qemu_log(), qemu_evidence(results_->qemu_log()));
        return found;
    }

    /// The result directory, if there is anything in it.
    fs::path kept() const {
        std::error_code error;
        if (!results_ || fs::remove(results_->path(), error)) {  // removes an empty one only
            return {};
        }
        return results_->path();
    }

    const Lab& lab_;
    const Expectation& expectation_;
    const RunOptions& options_;
    PhaseLog& phases_;
    std::size_t swept_;
    RunDirectory directory_;  // first: what follows uses it, and ends before it
    LastResort last_resort_;
    Steering steering_;
    std::unique_ptr<ResultDirectory> results_;
    GuestMachine machine_;
    GuestProgress progress_;
    RunResult result_;
    std::unique_ptr<Task<bool>> working_;
};

}  // namespace

RunResult run_lab(const Lab& lab, const Expectation& expectation, const RunOptions& options,
                  PhaseLog& phases, const SignalWatch& signals, const std::function<void()>& tick) {
    return Run(lab, expectation, options, phases, signals, tick).execute();
}

}  // namespace skbtrail::labs
