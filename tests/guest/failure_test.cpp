// Runs that cannot succeed: each must say in which phase it failed and why, exit with 2, and leave
// nothing behind.

#include <filesystem>
#include <fstream>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <signal.h>

#include "tests/guest/broken_lab.h"
#include "tests/guest/program.h"

namespace fs = std::filesystem;
using Catch::Matchers::ContainsSubstring;
using skbtrail::tests::BrokenLab;
using skbtrail::tests::eventually;
using skbtrail::tests::processes_naming;
using skbtrail::tests::Program;
using skbtrail::tests::run;
using skbtrail::tests::Scratch;

namespace {

/// No process that names the scratch directory, and nothing in the TMPDIR below it.
void check_nothing_left(const Scratch& scratch) {
    CHECK(eventually([&] { return processes_naming(scratch.path().string() + "/tmp").empty(); }));
    CHECK(eventually([&] { return scratch.left_behind().empty(); }));
}

std::vector<std::string> run_lab(const Scratch& scratch,
                                 const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"skbtrail", "run", "ping-receive", "--output",
                                          scratch.path() / "results"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
}

}  // namespace

TEST_CASE("a kernel that panics at boot fails the phase boot, with its last words") {
    const Scratch scratch;
    const auto outcome = run(scratch, run_lab(scratch, {"--append", "rdinit=/nonexistent"}));
    INFO(outcome.output);
    CHECK(outcome.status == 2);
    CHECK_THAT(outcome.output,
               ContainsSubstring("phase \"boot\"") && ContainsSubstring("Kernel panic"));
    CHECK(!fs::exists(scratch.path() / "results" / "recording.json"));
    check_nothing_left(scratch);
}

TEST_CASE("a collector that cannot attach says why") {
    const Scratch scratch;
    const auto outcome = run(scratch, run_lab(scratch, {"--append", "lockdown=confidentiality"}));
    INFO(outcome.output);
    CHECK(outcome.status == 2);
    CHECK_THAT(outcome.output, ContainsSubstring("lockdown"));
    CHECK(!fs::exists(scratch.path() / "results" / "recording.json"));
    check_nothing_left(scratch);
}

TEST_CASE("a script that switches its guest off is told as such") {
    // The recorded step ends together with the collector.
    const bool recorded = GENERATE(false, true);
    CAPTURE(recorded);
    const Scratch scratch;
    const BrokenLab lab(scratch);
    lab.write(recorded ? "run.sh" : "prepare.sh", "poweroff -f\nsleep 20\n");
    const auto outcome = lab.run();
    INFO(outcome.output);
    CHECK(outcome.status == 2);
    const auto* phase = recorded ? "phase \"exercise\"" : "phase \"prepare\"";
    CHECK_THAT(outcome.output, ContainsSubstring(phase) && ContainsSubstring("guest powered off") &&
                                   ContainsSubstring(lab.file("").string()));
    check_nothing_left(scratch);
}

TEST_CASE("a script that floods its output, fills its disk and hangs is ended, and all is told") {
    // The recorded step ends together with the collector.
    const std::size_t step = GENERATE(0U, 1U);
    const std::string name = step == 0 ? "prepare" : "run";
    CAPTURE(name);
    const Scratch scratch;
    const BrokenLab lab(scratch);
    lab.write(name + ".sh",
              "head -c 3000000 /dev/zero | tr '\\0' y\n"
              "mount -o remount,size=4m /tmp\n"
              "dd if=/dev/zero of=/tmp/all bs=1M\n"
              "trap '' TERM\n"
              "while :; do sleep 1; done\n");
    lab.change([step](nlohmann::json& document) { document["steps"][step]["deadline_s"] = 5; });
    const auto outcome = lab.run();
    INFO(outcome.output);
    CHECK(outcome.status == 2);
    CHECK_THAT(outcome.output, ContainsSubstring("(" + name + ".sh) did not end within") &&
                                   ContainsSubstring("truncated after") &&
                                   ContainsSubstring("The file system /tmp of the guest") &&
                                   ContainsSubstring("is full"));
    // 1 MiB of each of its two streams.
    CHECK(fs::file_size(lab.results() / "output.txt") <= 2 << 20);
    check_nothing_left(scratch);
}

TEST_CASE(
    "a lab that cannot be judged because events were lost is run again, and then told as such") {
    const Scratch scratch;
    const BrokenLab lab(scratch);
    // Nobody empties the collector's buffers meanwhile.
    lab.write("run.sh",
              "#!/bin/sh\n"
              "kill -STOP $(pidof skbtrail-collect)\n"
              "ping -A -q -c 1000 10.0.2.2\n"
              "kill -CONT $(pidof skbtrail-collect)\n");
    lab.change([](nlohmann::json& description) {
        description["nic"].erase("latency_ms");
        description["show"] = nlohmann::json::array();
    });
    lab.write("expect.json", R"({
        "format": "skbtrail-expectation", "version": 1, "title": "a flood",
        "chains": [{"name": "a reply is received", "root": "__napi_poll",
                    "packet": {"icmp.type": "echo-reply"},
                    "count": {"min": 1, "max": 1000}, "calls": ["..."]}]})");
    const auto outcome = lab.run();
    INFO(outcome.output);
    CHECK(outcome.status == 2);
    CHECK_THAT(outcome.output, ContainsSubstring("run again (2 of 3)") &&
                                   ContainsSubstring("run again (3 of 3)") &&
                                   ContainsSubstring("bpf_reserve_failed"));
    check_nothing_left(scratch);
}

TEST_CASE("a NIC that dies in the middle is named") {
    const Scratch scratch;
    Program program(scratch, run_lab(scratch));
    const bool booted = program.wait_for(" s  boot ");
    INFO(program.output());
    REQUIRE(booted);
    bool killed = false;
    for (const pid_t process : processes_naming(scratch.temporary())) {
        std::string name;
        std::ifstream("/proc/" + std::to_string(process) + "/comm") >> name;
        if (name == "skbtrail-nic") {
            killed = ::kill(process, SIGKILL) == 0;
        }
    }
    REQUIRE(killed);
    CHECK(program.wait() == 2);
    CHECK_THAT(program.output(), ContainsSubstring("NIC") && ContainsSubstring("nic.log"));
    check_nothing_left(scratch);
}

TEST_CASE("Ctrl-C ends a run in any phase, cleanly") {
    // Printed at the end of a phase: the signal comes in the one after it.
    const std::string after =
        GENERATE("kernel", "start", "boot", "collector prepared", "collector attached", "exercise");
    CAPTURE(after);
    const Scratch scratch;
    Program program(scratch, run_lab(scratch));
    const bool reached = program.wait_for(" s  " + after);
    INFO(program.output());
    REQUIRE(reached);
    program.signal(SIGINT);
    CHECK(program.wait(std::chrono::seconds(20)) == 2);
    CHECK_THAT(program.output(), ContainsSubstring("interrupted"));
    CHECK(!fs::exists(scratch.path() / "results" / "verdict.json"));
    check_nothing_left(scratch);
}

TEST_CASE("SIGKILL of skbtrail in any phase leaves no guest, no NIC and no directory") {
    const std::string after =
        GENERATE("kernel", "nic", "start", "boot", "prepare", "collector attached", "exercise");
    CAPTURE(after);
    const Scratch scratch;
    Program program(scratch, run_lab(scratch));
    const bool reached = program.wait_for(" s  " + after);
    INFO(program.output());
    REQUIRE(reached);
    program.signal(SIGKILL);
    CHECK(program.wait() == 128 + SIGKILL);
    check_nothing_left(scratch);
}
