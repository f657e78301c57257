// What the guest says, turned into phases and results. Knows no descriptor and no process: messages
// in, phases out, so that it can be tested without a guest.
//
// From the start of the domain to its end one phase follows another without a gap, so that there is
// always a deadline:
//
//   boot → modules → STEP → … → collector prepared → collector attached → STEP (recorded)
//        → recording received → power-off
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "guest/stream.h"
#include "labs/runner/lab.h"
#include "labs/runner/phases.h"

namespace skbtrail::labs {

/// What a run has got from its guest.
struct GuestResults {
    std::optional<std::string> recording;  ///< JSON text
    std::optional<std::string> plan;       ///< the collector's lists, computed anew
    std::string output;                    ///< what the steps wrote, all of it
    std::vector<std::string> notices;
    std::string collector;  ///< "plan used, 7250 functions, 1530 with their sk_buffs"
    bool ended = false;     ///< the guest has said its last word
};

/// Of a boot. Generous, as for a busy machine under emulation: to end a hang, not to judge.
inline constexpr std::chrono::seconds boot_limit{60};

/// Where the collector of the guest writes a plan that it had to compute.
inline constexpr std::string_view new_plan_path = "/tmp/plan.new";

class GuestProgress {
  public:
    GuestProgress(const Lab& lab, PhaseLog& phases);

    /// The domain runs: "boot" begins, or what else goes before the guest's first word.
    void started(const std::string& phase = "boot");
    /// Takes the next message. When the guest reports a failure its phase fails, and the guest is
    /// heard to its end: a recording may still come. Throws CannotRun at that end.
    void take(const guest::Message& message);
    /// The stream has closed, `how`: throws CannotRun unless the guest had said its last word.
    void closed(const std::string& how);

    const GuestResults& results() const { return results_; }
    GuestResults& results() { return results_; }

  private:
    void on(const guest::PhaseMessage& message);
    void on(const guest::CollectorMessage& message);
    void on(const guest::OutputMessage& message);
    void on(const guest::FileMessage& message);
    void on(const guest::NoticeMessage& message);
    void on(const guest::ErrorMessage& message);
    void on(const guest::EndMessage& message);

    /// Ends the running phase and begins `phase`.
    void next(const std::string& phase, std::chrono::milliseconds limit,
              const std::string& result = {});
    /// The running phase has failed. The first failure is the one that is told.
    void fail(const std::string& why);
    void step_started(const LabStep& step);
    void overdue(const LabStep& step);
    void step_ended(const LabStep& step, const guest::PhaseMessage& message);
    const LabStep* find_step(const std::string& name) const;
    bool is_last(const LabStep& step) const { return &step == &lab_.steps.back(); }
    /// What belongs to the failure of a step: its last line, and what the guest noticed of it.
    std::string last_output() const;

    const Lab& lab_;
    PhaseLog& phases_;
    GuestResults results_;
    std::string phase_;
    std::string failure_;  ///< the first one
    std::string collector_error_;
    std::string output_line_;         ///< begun, not ended yet
    std::size_t notices_before_ = 0;  ///< that came before the step that runs
};

}  // namespace skbtrail::labs
