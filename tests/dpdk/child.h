// A program that runs beside this one for as long as an object lives: where it may run, what it is
// told on standard input, what it logs. When this program is killed, so is that one.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "device/unique_fd.h"

namespace skbtrail::dpdk {

/// How to start a program.
struct ChildOptions {
    /// Program and arguments. A program without a slash is looked for in PATH.
    std::vector<std::string> arguments;
    /// Added to, or replacing in, the environment of this process.
    std::map<std::string, std::string> environment;
    /// Standard output and standard error go here.
    std::filesystem::path log;
    /// The one processor that it may run on; none: as this process.
    std::optional<int> cpu;
    /// Make a pipe that the child has as descriptor `ready_fd` and says "ready" into.
    bool ready_pipe = false;
};

/// The descriptor in the child of ChildOptions::ready_pipe.
inline constexpr int ready_fd = 3;

class Child {
  public:
    /// Starts it. Throws std::runtime_error with a sentence when that fails.
    explicit Child(const ChildOptions& options);
    /// Ends it: end of file on its standard input, then SIGTERM, then SIGKILL.
    ~Child();
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;

    /// Writes a line to its standard input.
    void say(std::string_view line);
    /// Waits for a line on the ready pipe. False: it ended, or `limit` passed.
    bool wait_ready(std::chrono::milliseconds limit);
    /// Whether it has not ended yet.
    bool running() const;
    /// How it ended: "status 1", "signal 9 (Killed)"; empty if it still runs after `limit`. A
    /// process that dies closes its sockets a moment before its end can be seen.
    std::string ending(std::chrono::milliseconds limit) const;
    /// Ends it as the destructor does, with more time for its last words (statistics at the end).
    /// True when it ended with status 0 by itself or by SIGTERM.
    bool end(bool with_signal);
    /// All that it has logged so far.
    std::string log() const;
    /// The last line of its log that says something: why it ended, usually.
    std::string last_words() const;
    pid_t pid() const { return pid_; }

  private:
    bool wait_end(std::chrono::milliseconds limit) const;

    std::string name_;
    std::filesystem::path log_;
    pid_t pid_ = -1;
    device::UniqueFd process_;
    device::UniqueFd input_;
    device::UniqueFd ready_;
    bool reaped_ = false;
    bool ended_well_ = false;
};

}  // namespace skbtrail::dpdk
