// Nothing is left behind. These tests start processes that look like a run's (sh, under their
// names) and end them again.
#include "labs/runner/run_directory.h"

#include <chrono>
#include <csignal>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

#include <catch2/catch_test_macros.hpp>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device/unique_fd.h"
#include "labs/runner/reaper.h"
#include "tests/unit/runner/temporary.h"

namespace skbtrail::labs {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

bool eventually(const std::function<bool()>& condition) {
    const auto give_up = std::chrono::steady_clock::now() + 10s;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > give_up) {
            return false;
        }
        std::this_thread::sleep_for(5ms);
    }
    return true;
}

/// A process with a command line of our choice, which waits until it is killed, or until this one
/// ends.
class Sleeper {
  public:
    Sleeper(const char* name, const std::string& argument) {
        int ends[2];
        REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
        keeps_it_waiting_.reset(ends[1]);
        const device::UniqueFd standard_input(ends[0]);
        process_ = ::fork();
        if (process_ == 0) {
            ::dup2(standard_input.get(), STDIN_FILENO);
            ::execl("/bin/sh", name, "-c", "read nothing", "sh", argument.c_str(),
                    static_cast<char*>(nullptr));
            ::_exit(127);
        }
        // Until exec its command line is this program's.
        REQUIRE(eventually([&] { return command_line().starts_with(name); }));
    }
    ~Sleeper() {
        ::kill(process_, SIGKILL);
        ::waitpid(process_, nullptr, 0);
    }
    Sleeper(const Sleeper&) = delete;
    Sleeper& operator=(const Sleeper&) = delete;

    bool killed() const {
        siginfo_t info{};
        return ::waitid(P_PID, static_cast<id_t>(process_), &info, WEXITED | WNOHANG | WNOWAIT) ==
                   0 &&
               info.si_pid == process_;
    }

  private:
    std::string command_line() const {
        std::ifstream stream("/proc/" + std::to_string(process_) + "/cmdline");
        std::string text;
        std::getline(stream, text);
        return text;
    }

    device::UniqueFd keeps_it_waiting_;
    pid_t process_ = -1;
};

/// A directory such as a run leaves that was killed together with its guardian.
fs::path dead_run(const fs::path& base, const char* name) {
    const auto directory = base / name;
    fs::create_directories(directory / "run/qemu");
    fs::permissions(directory, fs::perms::owner_all);
    std::ofstream(directory / "owner.lock") << "";
    return directory;
}

TEST_CASE("a run's directory is private, locked, and goes with all in it") {
    const TemporaryDirectory temporary;
    fs::path path;
    {
        const RunDirectory run(temporary.path());
        path = run.path();
        struct stat status{};
        REQUIRE(::stat(path.c_str(), &status) == 0);
        CHECK((status.st_mode & 0777) == 0700);
        CHECK(path.filename().string().starts_with("skbtrail-"));
        CHECK(sweep_dead_runs(temporary.path()) == 0);
        CHECK(fs::exists(path));
        fs::create_directories(path / "log/qemu");
    }
    CHECK_FALSE(fs::exists(path));
}

TEST_CASE("the run of a program that was killed is removed by its guardian") {
    const TemporaryDirectory temporary;
    const auto program = ::fork();
    if (program == 0) {
        const RunDirectory run(temporary.path());
        ::kill(::getpid(), SIGKILL);
    }
    int status = 0;
    ::waitpid(program, &status, 0);
    REQUIRE(WIFSIGNALED(status));
    CHECK(eventually([&] { return fs::is_empty(temporary.path()); }));
}

TEST_CASE("the sweep removes dead runs with their processes") {
    const TemporaryDirectory temporary;
    const auto dead = dead_run(temporary.path(), "skbtrail-dead01");
    const Sleeper qemu("qemu-system-x86_64", (dead / "lib/key.aes").string());
    const Sleeper nic("skbtrail-nic", (dead / "nic.sock").string());
    CHECK(sweep_dead_runs(temporary.path()) == 1);
    CHECK_FALSE(fs::exists(dead));
    CHECK(eventually([&] { return qemu.killed() && nic.killed(); }));
}

TEST_CASE("the sweep leaves alone what is alive or not ours") {
    const TemporaryDirectory temporary;
    const auto alive = dead_run(temporary.path(), "skbtrail-alive1");
    const int lock = ::open((alive / "owner.lock").c_str(), O_RDWR);
    REQUIRE(::flock(lock, LOCK_EX | LOCK_NB) == 0);
    const auto open_to_all = dead_run(temporary.path(), "skbtrail-open01");
    fs::permissions(open_to_all, fs::perms::all);
    const auto other_name = dead_run(temporary.path(), "something-else");
    const auto no_lock = temporary / "skbtrail-nolock";
    fs::create_directory(no_lock);
    fs::permissions(no_lock, fs::perms::owner_all);
    const auto being_made = dead_run(temporary.path(), "skbtrail-new-abcdef");
    const auto elsewhere = dead_run(temporary.path() / "elsewhere", "skbtrail-dead02");
    fs::create_directory_symlink(elsewhere, temporary / "skbtrail-link01");

    CHECK(sweep_dead_runs(temporary.path()) == 0);
    for (const auto& kept : {alive, open_to_all, other_name, no_lock, being_made, elsewhere}) {
        INFO(kept);
        CHECK(fs::exists(kept));
    }
    ::close(lock);
    CHECK(sweep_dead_runs(temporary / "absent") == 0);
}

TEST_CASE("a process belongs to a run by its program and its paths, both") {
    const TemporaryDirectory temporary;
    const auto run = temporary / "skbtrail-run001";
    const auto other = temporary / "skbtrail-run0012";
    const Sleeper qemu("qemu-system-x86_64", (run / "a").string());
    const Sleeper editor("vim", (run / "log").string());
    const Sleeper of_other_run("qemu-system-x86_64", (other / "a").string());
    CHECK(processes_of_run(run).size() == 1);
    CHECK(end_processes_of_run(run) >= 1);
    CHECK(eventually([&] { return qemu.killed(); }));
    CHECK_FALSE(editor.killed());
    CHECK_FALSE(of_other_run.killed());
}

TEST_CASE("run directories are made where sockets' paths stay short") {
    ::setenv("TMPDIR", "/tmp", 1);
    CHECK(run_directory_base() == "/tmp");
    ::setenv("TMPDIR", "/var/a-very-long-name-for-a-temporary-directory", 1);
    CHECK(run_directory_base() == "/tmp");
    ::unsetenv("TMPDIR");
    CHECK(run_directory_base() == "/tmp");
}

}  // namespace
}  // namespace skbtrail::labs
