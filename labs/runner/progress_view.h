// Shows a run's phases: on a terminal live, with the time that the running phase has taken;
// elsewhere a line per phase.
#pragma once

#include <cstddef>
#include <cstdio>
#include <mutex>
#include <string>
#include <vector>

#include "labs/runner/phases.h"

namespace skbtrail::labs {

class ProgressView {
  public:
    struct Style {
        bool live = false;      ///< the file is a terminal whose last line may be rewritten
        bool quiet = false;     ///< failures only
        bool verbose = false;   ///< also what the guest's steps write and what phases note
        unsigned columns = 80;  ///< of the terminal
    };

    /// Writes to `file`, which stays the caller's.
    ProgressView(std::FILE* file, Style style) : file_(file), style_(style) {}
    ~ProgressView() { clear(); }
    ProgressView(const ProgressView&) = delete;
    ProgressView& operator=(const ProgressView&) = delete;

    /// Takes an event, from any thread.
    void show(const PhaseEvent& event);
    /// Lets the time of the running phase move on. About ten times a second.
    void tick();
    /// Removes the live line, so that something else can be printed.
    void clear();

  private:
    void line(const std::string& text);
    void erase();

    std::FILE* file_;
    Style style_;
    std::mutex mutex_;
    struct Running {
        std::string phase;
        std::string note;
        TimePoint began;
    };
    std::vector<Running> running_;
    bool drawn_ = false;
};

/// Seconds per phase in the order in which they began, as text of a few lines.
std::string timings_table(const std::vector<PhaseTiming>& timings, std::chrono::milliseconds total);

}  // namespace skbtrail::labs
