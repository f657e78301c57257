// Parts of the system that a test has for itself: its network, its mounts.
#pragma once

#include <cstdlib>
#include <exception>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

#include <catch2/catch_test_macros.hpp>
#include <catch2/interfaces/catch_interfaces_capture.hpp>
#include <fmt/format.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

namespace skbtrail::device::test {

/// Set in the environment of a test that was started again.
inline constexpr const char* started_again = "SKBTRAIL_TEST_OWN_NAMESPACES";

/// Who is not root may be in a user namespace. It takes a process of one thread to enter one, so
/// the running test is started again in a new process there, and has to succeed.
inline void start_again_as_own_root() {
    if (std::getenv(started_again) != nullptr) {
        FAIL("not even root of a user namespace has namespaces of its own");
    }
    std::string name;
    for (const char letter : Catch::getResultCapture().getCurrentTestName()) {
        name += letter == ',' ? "\\" : "";  // else it stands between two names
        name += letter;
    }
    const std::string user = fmt::format("0 {} 1", ::geteuid());
    const std::string group = fmt::format("0 {} 1", ::getegid());
    constexpr int not_allowed = 77;
    const pid_t child = ::fork();
    if (child == 0) {
        if (::unshare(CLONE_NEWUSER) != 0) {
            ::_exit(not_allowed);
        }
        std::ofstream("/proc/self/setgroups") << "deny";
        std::ofstream("/proc/self/uid_map") << user;
        std::ofstream("/proc/self/gid_map") << group;
        ::setenv(started_again, "1", 1);
        ::execl("/proc/self/exe", "skbtrail_test_device", name.c_str(), nullptr);
        ::_exit(1);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFEXITED(status));
    if (WEXITSTATUS(status) == not_allowed) {
        SKIP(
            "a namespace of its own needs root, or a kernel that lets anybody have a "
            "user namespace (sysctl user.max_user_namespaces)");
    }
    CHECK(WEXITSTATUS(status) == 0);
}

/// Runs `body` in a thread that has such namespaces (CLONE_NEW…) for itself; they go with it.
inline void in_own_namespaces(int which, const std::function<void()>& body) {
    bool allowed = true;
    std::exception_ptr failed;
    std::thread([&] {
        allowed = ::unshare(which) == 0;
        try {
            if (allowed) {
                body();
            }
        } catch (...) {
            failed = std::current_exception();
        }
    }).join();
    if (failed) {
        std::rethrow_exception(failed);
    }
    if (!allowed) {
        start_again_as_own_root();
    }
}

}  // namespace skbtrail::device::test
