#include "guest/process.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <string>
#include <thread>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "guest/error.h"
#include "temporary.h"

using namespace skbtrail::guest;
using namespace std::chrono_literals;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::EndsWith;
using Ending = ProcessResult::Ending;

namespace {

Command shell(const std::string& script) {
    Command command;
    command.arguments = {"sh", "-c", script};
    return command;
}

/// True while the process is there and not merely waiting to be reaped by somebody.
bool lives(pid_t process) {
    const std::filesystem::path status = "/proc/" + std::to_string(process) + "/status";
    return std::filesystem::exists(status) &&
           read_file(status).find("State:\tZ") == std::string::npos;
}

bool gone_soon(pid_t process) {
    for (int i = 0; i < 200; ++i) {
        if (!lives(process)) {
            return true;
        }
        std::this_thread::sleep_for(10ms);
    }
    return false;
}

}  // namespace

TEST_CASE("output, errors and status are kept apart") {
    const ProcessResult result = run_process(shell("echo out; echo err >&2; exit 7"));
    CHECK(result.ending == Ending::exited);
    CHECK(result.status == 7);
    CHECK(result.output == "out\n");
    CHECK(result.errors == "err\n");
    CHECK_FALSE(result.succeeded());
    CHECK_FALSE(result.truncated);
    CHECK(run_process(shell("true")).succeeded());
}

TEST_CASE("a signal is told from a status") {
    const Command command = shell("kill -SEGV $$");
    const ProcessResult result = run_process(command);
    CHECK(result.ending == Ending::signalled);
    CHECK(result.signal == SIGSEGV);
    CHECK_THAT(describe(command, result), ContainsSubstring("was ended by signal 11"));
}

TEST_CASE("arguments, environment and directory reach the program") {
    const TemporaryDirectory directory;
    Command command = shell("printf '%s|%s|%s|' \"$1\" \"$2\" \"$GREETING\"; pwd");
    command.arguments.insert(command.arguments.end(), {"sh", "two words", "*"});
    command.environment["GREETING"] = "hello \"you\"";
    command.directory = directory.path();
    CHECK(run_process(command).output ==
          "two words|*|hello \"you\"|" + directory.path().string() + "\n");
}

TEST_CASE("standard input is empty") {
    CHECK(run_process(shell("cat; echo done")).output == "done\n");
}

TEST_CASE("a deadline ends the whole group") {
    Command command = shell("sleep 1000 & echo $!; sleep 1000");
    command.deadline = 1s;  // enough for the shell to get there on a busy machine
    const ProcessResult result = run_process(command);
    CHECK(result.ending == Ending::timed_out);
    CHECK(result.elapsed < 10s);
    CHECK(gone_soon(std::stoi(result.output)));
    CHECK_THAT(describe(command, result), ContainsSubstring("did not end within 1 s"));
}

TEST_CASE("a deadline ends a group that ignores being asked") {
    Command command = shell("trap '' TERM; sh -c 'trap \"\" TERM; echo $$; sleep 1000' & wait");
    command.deadline = 1s;  // enough for the shell to get there on a busy machine
    command.grace = 200ms;
    const ProcessResult result = run_process(command);
    CHECK(result.ending == Ending::timed_out);
    CHECK(result.elapsed < 10s);
    CHECK(gone_soon(std::stoi(result.output)));
}

TEST_CASE("a program may use its grace to end well") {
    Command command = shell("trap 'echo bye; exit 3' TERM; while :; do sleep 0.05; done");
    command.deadline = 1s;  // enough for the shell to get there on a busy machine
    const ProcessResult result = run_process(command);
    CHECK(result.ending == Ending::timed_out);
    CHECK(result.output == "bye\n");
}

TEST_CASE("a request to stop ends it from another thread") {
    std::stop_source stop;
    Command command = shell("sleep 1000");
    command.stop = stop.get_token();
    std::jthread asking([&stop] {
        std::this_thread::sleep_for(200ms);
        stop.request_stop();
    });
    const ProcessResult result = run_process(command);
    CHECK(result.ending == Ending::stopped);
    CHECK(result.elapsed < 10s);
}

TEST_CASE("a stop that was asked for before is heeded too") {
    std::stop_source stop;
    stop.request_stop();
    Command command = shell("sleep 1000");
    command.stop = stop.get_token();
    CHECK(run_process(command).ending == Ending::stopped);
}

TEST_CASE("a daemon that keeps the output open is not waited for") {
    const ProcessResult result = run_process(shell("sleep 1000 & echo $!"));
    CHECK(result.ending == Ending::exited);
    CHECK(result.elapsed < 10s);
    const pid_t daemon = std::stoi(result.output);
    CHECK(lives(daemon));
    ::kill(daemon, SIGKILL);
}

TEST_CASE("more output than is wanted is read and not kept") {
    Command command = shell("yes | head -c 10000000; echo end >&2");
    command.output_limit = 1000;
    const ProcessResult result = run_process(command);
    CHECK(result.succeeded());
    CHECK(result.truncated);
    CHECK(result.output.size() == 1000);
    CHECK(result.errors == "end\n");
}

TEST_CASE("much output arrives whole") {
    CHECK(run_process(shell("yes | head -c 3000000")).output.size() == 3000000);
}

TEST_CASE("a program that is not there is an error with its name") {
    Command command;
    command.arguments = {"skbtrail-no-such-program"};
    CHECK_THROWS_WITH(run_process(command), ContainsSubstring("skbtrail-no-such-program"));
    command.arguments = {"/etc/passwd"};
    CHECK_THROWS_WITH(run_process(command), ContainsSubstring("Permission denied"));
    command.arguments = {};
    CHECK_THROWS_AS(run_process(command), Error);
}

TEST_CASE("our descriptors and our signal mask stay ours") {
    const int ours = ::open("/dev/null", O_RDONLY);  // inheritable on purpose
    sigset_t blocked;
    sigset_t before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGINT);
    sigprocmask(SIG_BLOCK, &blocked, &before);
    const ProcessResult result =
        run_process(shell("ls /proc/self/fd; grep SigBlk /proc/self/status"));
    sigprocmask(SIG_SETMASK, &before, nullptr);
    ::close(ours);
    CHECK_THAT(result.output, EndsWith("SigBlk:\t0000000000000000\n"));
    CHECK_THAT(result.output, ContainsSubstring("0\n1\n2\n3\nSigBlk"));
}

TEST_CASE("how it ended is a sentence part with its last words") {
    const Command command = shell("echo first >&2; echo 'E: no mirror' >&2; exit 100");
    CHECK_THAT(describe(command, run_process(command)),
               EndsWith("` exited with status 100: E: no mirror"));
}
