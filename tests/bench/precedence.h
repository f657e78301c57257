// Measuring on a machine that has other work: what is measured goes first, for a moment.
#pragma once

#include <chrono>
#include <vector>

#include <sys/types.h>

namespace skbtrail::bench {

/// While it lives, all threads of `processes` that were there at its beginning run before
/// everything of ordinary priority (SCHED_FIFO), and so does this thread. (Niceness would not do:
/// it counts only within a session where sessions are scheduled as groups.)
///
/// Programs that poll on all processors leave the rest of the machine with the little that the
/// kernel keeps for it. Should this program be stopped meanwhile, the kernel ends them once they
/// have run for `at_most` without a pause (RLIMIT_RTTIME). At its end the rest has its turn, for as
/// long as it stood still.
class Precedence {
  public:
    /// Does nothing unless `wanted`. Throws std::runtime_error without the right to do it.
    Precedence(bool wanted, const std::vector<pid_t>& processes, std::chrono::milliseconds at_most);
    ~Precedence();
    Precedence(const Precedence&) = delete;
    Precedence& operator=(const Precedence&) = delete;

  private:
    void end() noexcept;

    std::vector<pid_t> threads_;
    std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

}  // namespace skbtrail::bench
