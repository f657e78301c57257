// A thread on one processor.
#pragma once

#include <sched.h>

namespace skbtrail::bench {

/// This thread, and those that it starts meanwhile, on one processor; afterwards it may run where
/// it could before.
class Pinned {
  public:
    /// Throws std::system_error when that processor is not there, or not for us.
    explicit Pinned(int cpu);
    ~Pinned() { ::sched_setaffinity(0, sizeof before_, &before_); }
    Pinned(const Pinned&) = delete;
    Pinned& operator=(const Pinned&) = delete;

  private:
    cpu_set_t before_{};
};

}  // namespace skbtrail::bench
