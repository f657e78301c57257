// What a step may have used up, and a program that failed for want of it seldom says last.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace skbtrail::guest {

/// Notices what of the guest's memory and of the file systems in it has run out. Each is told once.
class Exhaustion {
  public:
    /// Counts from now on.
    Exhaustion();

    /// A sentence for each that has run out since: a file system without a free block, processes
    /// that the kernel killed for want of memory. Empty when all is well, or was told before.
    std::vector<std::string> news();

  private:
    std::uint64_t killed_ = 0;       ///< processes, by the kernel, as told last
    std::vector<std::string> full_;  ///< places of file systems that were told
};

}  // namespace skbtrail::guest
