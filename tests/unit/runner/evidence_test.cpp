#include "labs/runner/evidence.h"

#include <chrono>
#include <csignal>
#include <string>
#include <thread>

#include <catch2/catch_test_macros.hpp>
#include <unistd.h>

#include "labs/runner/phases.h"
#include "labs/runner/steering.h"
#include "labs/runner/watch.h"
#include "tests/unit/runner/temporary.h"

namespace skbtrail::labs {
namespace {

using namespace std::chrono_literals;

TEST_CASE("a panic is shown from its first line, not by the end of its backtrace") {
    const TemporaryDirectory temporary;
    std::string text = "booting\r\nKernel panic - not syncing: VFS: no root\r\n";
    for (int line = 0; line < 25; ++line) {
        text += "  frame\r\n";
    }
    const auto lines = console_evidence(temporary.write("console.log", text));
    REQUIRE(lines.size() == 26);
    CHECK(lines.front() == "Kernel panic - not syncing: VFS: no root");
}

TEST_CASE("without a panic the console's end is shown, harmless to a terminal") {
    const TemporaryDirectory temporary;
    std::string text;
    for (int line = 0; line < 100; ++line) {
        text += "\x1b[2Jline " + std::to_string(line) + "\n";
    }
    const auto lines = console_evidence(temporary.write("console.log", text));
    CHECK(lines.size() == 15);
    CHECK(lines.back() == " [2Jline 99");
    CHECK(console_evidence(temporary / "absent").empty());
}

TEST_CASE("a log whose end the failure's sentence quotes tells nothing more") {
    const std::string sentence =
        "the guest reports: The sysctl a.b could not be set. (In lab.json.)";
    CHECK(is_quoted({"[    1.8] Run /init", "skbtrail-init: The sysctl a.b could not be set."},
                    sentence));
    CHECK(is_quoted({"skbtrail-nic: The sysctl a.b could not be set.", "Try skbtrail-nic --help."},
                    sentence));
    CHECK_FALSE(
        is_quoted({"skbtrail-init: The sysctl a.b could not be set.", "oops", "oops"}, sentence));
    CHECK_FALSE(is_quoted({"[    1.8] the guest reports"}, sentence));
    CHECK_FALSE(is_quoted({}, sentence));
    // A NIC that was killed: its last words are no reason.
    CHECK_FALSE(is_quoted({"14:22:58 skbtrail-nic: info: front end connected"},
                          "the NIC has ended. It said: 14:22:58 skbtrail-nic: info: front end "
                          "connected"));
}

TEST_CASE("how a guest's kernel ended is in its console") {
    const TemporaryDirectory temporary;
    const auto ending = [&](const std::string& console) {
        return console_ending(temporary.write("console.log", console));
    };
    CHECK(ending("[ 5.6] ACPI: PM: state S5\r\n[ 5.7] reboot: Power down\r\n") ==
          "powered off (\"reboot: Power down\" on its console)");
    CHECK(ending("[ 6.2] reboot: Restarting system\n[ 6.2] reboot: machine restart\n") ==
          "restarted (\"reboot: Restarting system\" on its console)");
    CHECK(ending("[ 6.2] reboot: System halted\n").starts_with("halted"));
    // A panic restarts the machine; what came first is the reason.
    CHECK(ending("[ 7.3] Kernel panic - not syncing: Fatal\n frame\n"
                 "[ 7.4] reboot: Restarting system\n") ==
          "panicked (\"Kernel panic - not syncing: Fatal\" on its console)");
    CHECK(ending("[ 5.4] Run /init as init process\n").empty());
    CHECK(console_ending(temporary / "absent").empty());
}

TEST_CASE("the last words of a guest are waited for, and Ctrl-C ends that too") {
    const TemporaryDirectory temporary;
    const SignalWatch signals;
    PhaseLog phases([] { return std::chrono::steady_clock::now(); }, [](const PhaseEvent&) {});
    Steering steering(phases, signals, [] {});
    const auto console = temporary.write("console.log", "[ 5.6] ACPI: PM: state S5\n");
    CHECK(awaited_ending(steering, console, 1ms).empty());

    std::thread late([&] {
        std::this_thread::sleep_for(200ms);
        temporary.write("console.log", "[ 5.7] reboot: Power down\n");
    });
    CHECK(awaited_ending(steering, console, 60s).starts_with("powered off"));
    late.join();

    const auto silent = temporary.write("silent.log", "");
    ::kill(::getpid(), SIGINT);
    CHECK_THROWS_AS(awaited_ending(steering, silent, 1h), Interrupted);
}

TEST_CASE("QEMU's own words are shown, not its command line") {
    const TemporaryDirectory temporary;
    const auto lines = qemu_evidence(temporary.write("qemu.log",
                                                     "LC_ALL=C \\\n"
                                                     "/usr/bin/qemu-system-x86_64 \\\n"
                                                     "-name guest=lab \\\n"
                                                     "-msg timestamp=on\n"
                                                     "qemu: it hurts\n"));
    CHECK(lines == std::vector<std::string>{"qemu: it hurts"});
}

}  // namespace
}  // namespace skbtrail::labs
