// One run of a lab: a guest is booted on our NIC, does its steps, is recorded, and judged.
//
// Threads: the main thread steers and is the only one that waits for many things at once (watch.h);
// what blocks runs in tasks (task.h); libvirt has its event loop (libvirt.h). What does not depend
// on each other runs side by side: libvirt is opened and the accelerator proved while the kernel is
// looked for, the NIC starts while the image is built.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "labs/check/expectation.h"
#include "labs/check/verdict.h"
#include "labs/runner/failure.h"
#include "labs/runner/lab.h"
#include "labs/runner/phases.h"
#include "labs/runner/ring_join.h"
#include "labs/runner/run_options.h"
#include "labs/runner/watch.h"
#include "tracer/chain/recording.h"

namespace skbtrail::labs {

struct RunResult {
    std::filesystem::path directory;
    chain::Recording recording;
    Verdict verdict;
    RingJoin ring;
};

/// Why a run came to nothing.
class RunFailed : public CannotRun {
  public:
    /// The last lines of a log, and where the whole of it is.
    struct Evidence {
        std::string title;
        std::filesystem::path file;
        std::vector<std::string> lines;
    };

    enum class Cause : std::uint8_t {
        failed,
        interrupted,
        not_applicable,  ///< the lab is not meant for this kernel
        not_resumed,     ///< the kept guest could not be taken up: the lab itself has not begun
    };

    RunFailed(Cause cause, const std::string& message, std::string phase,
              std::vector<Evidence> evidence, std::filesystem::path directory,
              std::optional<Verdict> verdict = {})
        : CannotRun(message),
          cause_(cause),
          phase_(std::move(phase)),
          evidence_(std::move(evidence)),
          directory_(std::move(directory)),
          verdict_(std::move(verdict)) {}

    Cause cause() const { return cause_; }
    const std::string& phase() const { return phase_; }
    const std::vector<Evidence>& evidence() const { return evidence_; }
    /// The result directory; empty when the run did not come that far.
    const std::filesystem::path& directory() const { return directory_; }
    /// On what was recorded of the step that failed, if a recording came.
    const std::optional<Verdict>& verdict() const { return verdict_; }

  private:
    Cause cause_;
    std::string phase_;
    std::vector<Evidence> evidence_;
    std::filesystem::path directory_;
    std::optional<Verdict> verdict_;
};

/// Runs `lab` and judges it by `expectation`. Must be called while the process has one thread.
/// `tick` is called about ten times a second. Throws RunFailed; by then nothing of the run is left
/// but its result directory.
RunResult run_lab(const Lab& lab, const Expectation& expectation, const RunOptions& options,
                  PhaseLog& phases, const SignalWatch& signals, const std::function<void()>& tick);

}  // namespace skbtrail::labs
