// One process of a batch: skbtrail, with its output in a log.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include <sys/types.h>

#include "device/unique_fd.h"

namespace skbtrail::labs::batch {

class Child {
  public:
    /// Starts `program` with `arguments`; what it writes goes to run.log in `directory`, which is
    /// made. `what`: what it is for, in an error. Throws CannotRun.
    Child(const std::filesystem::path& program, std::vector<std::string> arguments,
          std::filesystem::path directory, const std::string& what);

    /// Readable when it has ended.
    int fd() const { return process_fd_.get(); }
    std::chrono::steady_clock::time_point since() const { return since_; }
    const std::filesystem::path& directory() const { return directory_; }
    void ask_to_end() const;

    /// To be called when fd() is readable: its exit status, or -1 when a signal ended it.
    int wait();
    /// How it ended and what it said last, behind wait().
    std::string said() const;

  private:
    std::filesystem::path directory_;
    std::chrono::steady_clock::time_point since_;
    pid_t process_ = -1;
    int status_ = 0;
    device::UniqueFd process_fd_;
};

}  // namespace skbtrail::labs::batch
