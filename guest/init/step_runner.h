// Running a job's steps: one program after another, their output relayed while they run, each with
// a deadline.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "guest/init/exhaustion.h"
#include "guest/init/host_link.h"
#include "guest/job.h"

namespace skbtrail::guest {

/// Runs steps for PID 1. One loop waits for everything: output, the collector's status lines,
/// children that end (also those that daemons left to PID 1), deadlines.
class StepRunner {
  public:
    /// Throws Error when the kernel gives no descriptor for signals.
    StepRunner(const JobSpec& job, HostLink& link);
    ~StepRunner();
    StepRunner(const StepRunner&) = delete;
    StepRunner& operator=(const StepRunner&) = delete;

    /// Runs a step to its end and tells the host everything, its recording included. True when it
    /// succeeded. What it started in the background goes on, and its output is still relayed.
    bool run(const JobStep& step);

    /// Ends what is still running and relays the last output.
    void end_everything();

  private:
    /// Where bytes come from, and what for.
    struct Source {
        enum class Kind : std::uint8_t { standard_output, standard_error, collector_status };
        int descriptor = -1;
        Kind kind = Kind::standard_output;
        std::string step;
        std::uint64_t relayed = 0;  ///< bytes, up to a limit
        bool truncated = false;
        std::string line;  ///< of the collector's status, incomplete yet
    };
    /// What is known of the step that runs.
    struct Current {
        const JobStep* step = nullptr;
        pid_t process = 0;
        std::optional<int> status;      ///< of the process itself, once it has ended
        std::optional<int> command;     ///< of the command below the collector
        std::string collector_message;  ///< the last error the collector reported
        std::string last_error_line;    ///< the last line it wrote to standard error
        std::int64_t deadline = 0;      ///< monotonic, ms; the next signal is sent then
        int signals_sent = 0;
    };

    void start(const JobStep& step);
    void conclude(int status);
    void wait_for_events(int patience_ms);
    void tell_exhaustion();
    void handle_deadline();
    void reap();
    void drain();
    bool read_from(Source& source);
    void relay_output(Source& source, std::string bytes);
    void relay_status(Source& source, const std::string& bytes);
    void status_line(const std::string& step, const std::string& line);
    void drop_closed();
    std::vector<std::string> command_line(const JobStep& step) const;

    const JobSpec& job_;
    HostLink& link_;
    int signals_ = -1;
    Exhaustion exhaustion_;
    std::vector<Source> sources_;
    Current current_;
    bool children_left_ = true;
};

}  // namespace skbtrail::guest
