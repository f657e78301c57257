#include "tests/guest/program.h"

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <system_error>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/places.h"

extern char** environ;

namespace skbtrail::tests {

namespace fs = std::filesystem;

namespace {

[[noreturn]] void fail(const char* what, int error) {
    throw std::system_error(error, std::generic_category(), what);
}

std::vector<std::string> environment_with(const std::string& name, const std::string& value) {
    std::vector<std::string> environment;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        if (std::string(*entry).rfind(name + "=", 0) != 0) {
            environment.emplace_back(*entry);
        }
    }
    environment.push_back(name + "=" + value);
    return environment;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
    std::vector<char*> result;
    for (std::string& string : strings) {
        result.push_back(string.data());
    }
    result.push_back(nullptr);
    return result;
}

}  // namespace

Scratch::Scratch() {
    std::string name = "/tmp/skt-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) {
        fail("mkdtemp", errno);
    }
    path_ = name;
    fs::create_directory(temporary());
}

Scratch::~Scratch() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
}

std::vector<std::string> Scratch::left_behind() const {
    std::vector<std::string> names;
    for (const fs::directory_entry& entry : fs::directory_iterator(temporary())) {
        names.push_back(entry.path().filename().string());
    }
    return names;
}

Program::Program(const Scratch& scratch, const std::vector<std::string>& arguments) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) {
        fail("pipe2", errno);
    }
    std::vector<std::string> command = arguments;
    if (command.front().front() != '/') {
        command.front() = built_program(command.front());
    }
    std::vector<std::string> environment = environment_with("TMPDIR", scratch.temporary());

    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
    const int error = ::posix_spawn(&pid_, command.front().c_str(), &actions, nullptr,
                                    pointers(command).data(), pointers(environment).data());
    posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    pipe_ = ends[0];
    if (error != 0) {
        ::close(pipe_);
        fail(command.front().c_str(), error);
    }
}

Program::~Program() {
    if (pid_ > 0) {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    ::close(pipe_);
}

bool Program::read_some(std::chrono::steady_clock::time_point deadline) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    pollfd wanted{pipe_, POLLIN, 0};
    if (left.count() <= 0 || ::poll(&wanted, 1, static_cast<int>(left.count())) <= 0) {
        return false;
    }
    char buffer[4096];
    const ssize_t count = ::read(pipe_, buffer, sizeof buffer);
    if (count <= 0) {
        return false;
    }
    output_.append(buffer, static_cast<std::size_t>(count));
    return true;
}

bool Program::wait_for(const std::string& text, std::chrono::seconds limit) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (output_.find(text) == std::string::npos) {
        if (!read_some(deadline)) {
            return output_.find(text) != std::string::npos;
        }
    }
    return true;
}

void Program::signal(int number) const {
    ::kill(pid_, number);
}

int Program::wait(std::chrono::seconds limit) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (read_some(deadline)) {
    }
    int status = 0;
    const bool ended = eventually([&] { return ::waitpid(pid_, &status, WNOHANG) == pid_; },
                                  std::chrono::duration_cast<std::chrono::seconds>(
                                      deadline - std::chrono::steady_clock::now()) +
                                      std::chrono::seconds(1));
    if (!ended) {
        return -1;
    }
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

Outcome run(const Scratch& scratch, const std::vector<std::string>& arguments) {
    Program program(scratch, arguments);
    const int status = program.wait();
    return {status, program.output()};
}

std::vector<pid_t> processes_naming(const std::string& text) {
    std::vector<pid_t> found;
    for (const fs::directory_entry& entry : fs::directory_iterator("/proc")) {
        const std::string name = entry.path().filename();
        if (name.find_first_not_of("0123456789") != std::string::npos ||
            name == std::to_string(::getpid())) {
            continue;
        }
        std::ifstream file(entry.path() / "cmdline", std::ios::binary);
        std::stringstream command;
        command << file.rdbuf();
        if (command.str().find(text) != std::string::npos) {
            found.push_back(static_cast<pid_t>(std::stol(name)));
        }
    }
    return found;
}

std::string text_of(const fs::path& file) {
    std::ifstream stream(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
}

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) lines.push_back(line);
    return lines;
}

}  // namespace skbtrail::tests
