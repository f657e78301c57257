// A run as a stream of phases. The runner says what begins and ends; whoever shows it (the
// terminal, a log) only renders. Every phase has a deadline: a run that hangs ends, and says in
// which phase.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace skbtrail::labs {

using TimePoint = std::chrono::steady_clock::time_point;
using Clock = std::function<TimePoint()>;

/// Something that happened in a run.
struct PhaseEvent {
    enum class Kind : std::uint8_t {
        started,
        noted,   ///< still running; text says what is going on
        output,  ///< a line that the guest's step wrote
        finished,
        failed,
    };
    Kind kind = Kind::started;
    std::string phase;
    std::string text;  ///< for a person; may be empty
    std::chrono::milliseconds phase_elapsed{0};
    std::chrono::milliseconds run_elapsed{0};
};

/// How long a phase took.
struct PhaseTiming {
    std::string phase;
    std::chrono::milliseconds began{0};  ///< since the run's start
    std::chrono::milliseconds took{0};
};

/// Keeps the books of phases: which run (several may at once), since when, until when. Safe to be
/// used by several threads; the sink is called by one at a time and must not call back.
class PhaseLog {
  public:
    using Sink = std::function<void(const PhaseEvent&)>;

    /// Every deadline is multiplied by `deadline_scale`: a slow machine needs more.
    PhaseLog(Clock clock, Sink sink, double deadline_scale = 1.0);

    void start(const std::string& phase, std::chrono::milliseconds limit);
    void note(const std::string& phase, const std::string& text);
    /// A line of a guest's step.
    void output(const std::string& phase, const std::string& line);
    void finish(const std::string& phase, const std::string& text = {});
    void fail(const std::string& phase, const std::string& text);

    /// From now on nothing is told any more: the run is being given up, and what its threads still
    /// say about that is of no interest.
    void mute();

    /// When the first of the running phases must have ended.
    std::optional<TimePoint> deadline() const;
    /// The running phase whose deadline has passed, and its limit.
    struct Overdue {
        std::string phase;
        std::chrono::milliseconds limit{0};
    };
    std::optional<Overdue> overdue() const;
    /// The running phase that began last; empty between phases.
    std::string current() const;
    /// The phase that failed first, and why.
    struct Failure {
        std::string phase;
        std::string text;
    };
    std::optional<Failure> failure() const;
    /// Whether the phase runs.
    bool running(std::string_view phase) const;
    std::vector<PhaseTiming> timings() const;
    std::chrono::milliseconds elapsed() const;

  private:
    struct Running {
        std::string phase;
        TimePoint began;
        std::chrono::milliseconds limit{0};
    };

    void tell(PhaseEvent::Kind kind, const std::string& phase, const std::string& text,
              TimePoint began) const;
    void end(PhaseEvent::Kind kind, const std::string& phase, const std::string& text);
    TimePoint began(const std::string& phase) const;

    Clock clock_;
    Sink sink_;
    double deadline_scale_;
    TimePoint run_began_;
    mutable std::mutex mutex_;
    std::vector<Running> running_;
    std::vector<PhaseTiming> timings_;
    std::optional<Failure> failure_;
    bool muted_ = false;
};

/// "0.34 s", "12.1 s", "2 min 05 s".
std::string format_seconds(std::chrono::milliseconds duration);

}  // namespace skbtrail::labs
