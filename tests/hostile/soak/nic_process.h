// The NIC under observation: a process, and what the kernel says of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <sys/types.h>

namespace skbtrail::hostile {

/// What a process holds.
struct Holdings {
    std::size_t descriptors = 0;  ///< open files
    std::uint64_t resident_kib = 0;
    std::size_t threads = 0;
    double cpu_seconds = 0;  ///< since it was started
};

class NicProcess {
  public:
    /// Starts `program` with `arguments` and waits until it accepts front ends. It ends when this
    /// process does. Throws std::runtime_error when it does not come up.
    NicProcess(const std::string& program, std::vector<std::string> arguments);
    /// Ends it.
    ~NicProcess();
    NicProcess(const NicProcess&) = delete;
    NicProcess& operator=(const NicProcess&) = delete;

    bool alive();
    Holdings holdings() const;
    /// SIGTERM; the exit status, or 128 + the signal that ended it. A sanitizer's finding, a leak
    /// included, is a status that is not 0.
    int stop();

  private:
    pid_t pid_ = -1;
    int status_ = -1;
};

}  // namespace skbtrail::hostile
