// skbtrail-nic as others start it.
#pragma once

#include <array>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device/unique_fd.h"
#include "tests/places.h"

namespace skbtrail::device::test {

/// skbtrail-nic as a child process.
class Program {
  public:
    explicit Program(std::vector<std::string> arguments, const std::string& log) {
        std::array<int, 2> ends{};
        if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
            throw std::runtime_error("pipe2");
        }
        ready_.reset(ends[0]);
        UniqueFd announce(ends[1]);
        arguments.insert(arguments.begin(), tests::built_program("skbtrail-nic"));
        arguments.insert(arguments.end(), {"--ready-fd", "9"});
        std::vector<char*> words;
        for (std::string& argument : arguments) {
            words.push_back(argument.data());
        }
        words.push_back(nullptr);
        pid_ = ::fork();
        if (pid_ == 0) {
            const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644);
            ::dup2(out, 2);
            ::dup2(announce.get(), 9);
            ::execv(words.front(), words.data());
            ::_exit(127);
        }
    }
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;
    ~Program() {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
        }
    }

    pid_t pid() const { return pid_; }
    /// Waits until front ends can connect. False when the program ended before.
    bool ready() {
        std::array<char, 6> line{};
        return ::read(ready_.get(), line.data(), line.size()) == 6;
    }
    void signal(int number) const { ::kill(pid_, number); }
    /// Waits for the end; the exit status, or -signal.
    int wait() {
        int status = 0;
        ::waitpid(pid_, &status, 0);
        pid_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }

  private:
    UniqueFd ready_;
    pid_t pid_ = -1;
};

inline std::string content(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace skbtrail::device::test
