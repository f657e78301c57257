// skbtrail-nic as a part of a run: started, ready within a deadline, watched, ended.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "device/unique_fd.h"

namespace skbtrail::labs {

/// How to start it.
struct NicOptions {
    std::string name = "the NIC";  ///< in sentences
    std::filesystem::path program;
    std::filesystem::path socket;
    std::string wire;                      ///< --wire
    std::map<std::string, bool> features;  ///< --features +x,-y
    unsigned queue_pairs = 1;              ///< --queues
    unsigned latency_ms = 0;               ///< --latency
    std::filesystem::path capture;
    std::filesystem::path events;
    std::filesystem::path control;  ///< --control; empty: none
    std::filesystem::path log;      ///< gets its standard error
};

/// The command line for these options, and for a descriptor `ready_fd` in the child.
std::vector<std::string> nic_arguments(const NicOptions& options, int ready_fd);

/// A running skbtrail-nic. Must be started by a thread that lives as long as it: the NIC ends with
/// the thread that made it.
class Nic {
  public:
    /// Starts the program. Throws CannotRun when it cannot be started.
    explicit Nic(NicOptions options);
    /// Ends it, if need be by force.
    ~Nic();
    Nic(const Nic&) = delete;
    Nic& operator=(const Nic&) = delete;

    const std::string& name() const { return options_.name; }
    /// Readable when the NIC has said that it listens, or has closed the pipe without a word.
    int ready_fd() const { return ready_.get(); }
    /// Readable when the process has ended.
    int process_fd() const { return process_fd_.get(); }

    /// To be called when ready_fd() is readable: true when it listens. Throws CannotRun with the
    /// log's last lines when it ended instead.
    bool take_ready();
    /// How it ended ("exit status 2", "killed by signal 9"); nothing while it runs.
    std::optional<std::string> ending();
    /// Asks it to end (SIGTERM: it flushes its files) and waits up to two seconds; then kills it.
    void end() noexcept;
    /// The last lines of its log, as a part of a sentence: ". It said: …"; or nothing.
    std::string last_words() const;

  private:
    bool reap(int options);

    NicOptions options_;
    device::UniqueFd ready_;
    device::UniqueFd process_fd_;
    pid_t process_ = -1;
    std::optional<int> wait_status_;
    std::string ready_text_;
};

}  // namespace skbtrail::labs
