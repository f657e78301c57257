#include "labs/batch/child.h"

#include <cerrno>
#include <csignal>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest/spawn_setup.h"
#include "labs/runner/data_files.h"
#include "labs/runner/failure.h"

namespace skbtrail::labs::batch {
namespace {

constexpr std::size_t lines_of_a_failure = 6;

}  // namespace

Child::Child(const std::filesystem::path& program, std::vector<std::string> arguments,
             std::filesystem::path directory, const std::string& what)
    : directory_(std::move(directory)), since_(std::chrono::steady_clock::now()) {
    std::filesystem::create_directories(directory_);
    std::vector<char*> pointers = {const_cast<char*>(program.c_str())};
    for (auto& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);

    guest::SpawnSetup setup;
    posix_spawn_file_actions_addopen(&setup.actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&setup.actions, STDOUT_FILENO,
                                     (directory_ / "run.log").c_str(), O_WRONLY | O_CREAT | O_TRUNC,
                                     0644);
    posix_spawn_file_actions_adddup2(&setup.actions, STDOUT_FILENO, STDERR_FILENO);
    const int error = ::posix_spawn(&process_, program.c_str(), &setup.actions, &setup.attributes,
                                    pointers.data(), environ);
    if (error != 0) {
        throw CannotRun(fmt::format("a run of {} cannot be started: {}", what,
                                    std::generic_category().message(error)));
    }
    process_fd_.reset(static_cast<int>(::syscall(SYS_pidfd_open, process_, 0)));
    if (!process_fd_) {
        const int reason = errno;
        ask_to_end();
        throw CannotRun(fmt::format("a run of {} cannot be watched: pidfd_open: {}", what,
                                    std::generic_category().message(reason)));
    }
}

void Child::ask_to_end() const {
    ::kill(process_, SIGTERM);
}

int Child::wait() {
    while (::waitpid(process_, &status_, 0) < 0 && errno == EINTR) {
    }
    return WIFSIGNALED(status_) ? -1 : WEXITSTATUS(status_);
}

std::string Child::said() const {
    const auto how = WIFSIGNALED(status_)
                         ? fmt::format("it was killed by signal {}", WTERMSIG(status_))
                         : fmt::format("it ended with status {}", WEXITSTATUS(status_));
    std::string text;
    for (const auto& line : last_lines(directory_ / "run.log", lines_of_a_failure)) {
        if (line.find_first_not_of(' ') != std::string::npos) text += " " + line;
    }
    return text.empty() ? how : fmt::format("{}:{}", how, text);
}

}  // namespace skbtrail::labs::batch
