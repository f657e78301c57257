// Running another program to its end: captured output, a deadline, and nothing left behind.
//
// The child runs in a process group of its own with a clean signal mask and without our other file
// descriptors, so that a deadline ends everything it started, and Ctrl-C on the terminal reaches
// this program alone, which then decides.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <stop_token>
#include <string>
#include <vector>

namespace skbtrail::guest {

/// What to run, and how long it may take.
struct Command {
    /// Program and arguments. A program without a slash is looked for in PATH.
    std::vector<std::string> arguments;
    /// Added to (or replacing in) the environment of this process.
    std::map<std::string, std::string> environment;
    /// Where it starts; empty: where this process stands.
    std::filesystem::path directory;
    /// How long it may run. Its whole process group then gets SIGTERM and, when that does not help
    /// within `grace`, SIGKILL.
    std::chrono::milliseconds deadline = std::chrono::minutes(1);
    std::chrono::milliseconds grace = std::chrono::seconds(2);
    /// How much of each stream is kept, in bytes. The rest is read and thrown away, so that the
    /// child never blocks on us; ProcessResult says that it happened.
    std::size_t output_limit = std::size_t{16} << 20;
    /// When a stop is requested the child is ended as at its deadline.
    std::stop_token stop;
};

/// How a program ended.
struct ProcessResult {
    enum class Ending : std::uint8_t {
        exited,     ///< by itself; see status
        signalled,  ///< by a signal that was not ours; see signal
        timed_out,  ///< we ended it at its deadline
        stopped,    ///< we ended it because a stop was requested
    };
    Ending ending = Ending::exited;
    int status = 0;  ///< exit status, when it exited
    int signal = 0;  ///< the signal that ended it, otherwise
    std::string output;
    std::string errors;
    bool truncated = false;  ///< output or errors were longer than the limit
    std::chrono::milliseconds elapsed{0};

    bool succeeded() const { return ending == Ending::exited && status == 0; }
};

/// Runs `command` and waits for it. Standard input is empty. A child of the child that keeps the
/// output open after the program itself has ended is not waited for.
/// Throws Error when the program cannot be started (not found, not executable).
ProcessResult run_process(const Command& command);

/// A sentence part about how it ended, with the last line it wrote to its errors:
/// "`apt-get update` exited with status 100: E: Could not resolve …".
std::string describe(const Command& command, const ProcessResult& result);

}  // namespace skbtrail::guest
