// A skbtrail that a test started: its output as it comes, signals to it, its end.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include <sys/types.h>

namespace skbtrail::tests {

/// A directory of the test's own with a short path, because sockets live below it. Removed, with
/// all that is in it, at the end.
class Scratch {
  public:
    Scratch();
    ~Scratch();
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;

    const std::filesystem::path& path() const { return path_; }
    /// What skbtrail should not leave behind: entries of the directory that it was told to use as
    /// TMPDIR. Empty when it cleaned up.
    std::vector<std::string> left_behind() const;
    std::filesystem::path temporary() const { return path_ / "tmp"; }

  private:
    std::filesystem::path path_;
};

/// A running program of the build under test, with standard output and standard error in one pipe.
class Program {
  public:
    /// Starts `arguments[0]`, a program of the build or an absolute path, with TMPDIR in
    /// `scratch`.
    Program(const Scratch& scratch, const std::vector<std::string>& arguments);
    /// Kills it if it still runs.
    ~Program();
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;

    /// Reads until the output holds `text`. False when the program ended or `limit` passed first.
    bool wait_for(const std::string& text, std::chrono::seconds limit = std::chrono::seconds(90));
    void signal(int number) const;
    /// Reads the rest and waits. The exit status, or 128 + the signal's number. -1: it did not end
    /// within `limit`, and was killed.
    int wait(std::chrono::seconds limit = std::chrono::seconds(120));
    const std::string& output() const { return output_; }
    pid_t pid() const { return pid_; }

  private:
    bool read_some(std::chrono::steady_clock::time_point deadline);

    pid_t pid_ = -1;
    int pipe_ = -1;
    std::string output_;
};

struct Outcome {
    int status = -1;
    std::string output;
};

/// Runs a program to its end, as Program does.
Outcome run(const Scratch& scratch, const std::vector<std::string>& arguments);

/// Processes whose command line names `text`, this test left out.
std::vector<pid_t> processes_naming(const std::string& text);

/// Waits for `condition`; what it gave last.
template <typename Condition>
bool eventually(Condition condition, std::chrono::seconds limit = std::chrono::seconds(10));

/// All of a file; empty when it is not there.
std::string text_of(const std::filesystem::path& file);

/// The lines of `text`, without their ends.
std::vector<std::string> lines_of(const std::string& text);

}  // namespace skbtrail::tests

#include <thread>

template <typename Condition>
bool skbtrail::tests::eventually(Condition condition, std::chrono::seconds limit) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
        if (std::chrono::steady_clock::now() >= deadline) {
            return false;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return true;
}
