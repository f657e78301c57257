// An eventfd: how a thread wakes the one that polls.
#pragma once

#include "device/unique_fd.h"

namespace skbtrail::labs {

class WakeUp {
  public:
    /// Throws CannotRun when the system has no descriptor left.
    WakeUp();
    int fd() const { return fd_.get(); }
    /// Makes the descriptor readable. Safe from any thread.
    void signal() const noexcept;
    /// Makes it unreadable again.
    void clear() const noexcept;

  private:
    device::UniqueFd fd_;
};

}  // namespace skbtrail::labs
