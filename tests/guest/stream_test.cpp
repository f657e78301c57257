// Recordings that are handed on while they are made, in anybody's VM: text and lines come while the
// collector still records, without an end and in bounded memory; a reader who stops costs what does
// not fit, counted, and the collector ends all the same.

#include <chrono>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <fmt/format.h>

#include "tests/guest/collector.h"
#include "tests/guest/testbed.h"

using Catch::Matchers::ContainsSubstring;
using skbtrail::tests::Agent;
using skbtrail::tests::collect;
using skbtrail::tests::record_all;
using skbtrail::tests::Testbed;

namespace {

/// Starts a collector whose process id is then in /run/it, and waits until it records.
void start(Agent& agent, const std::string& options, const std::string& redirection) {
    agent.must(fmt::format(
        "rm -f /run/status; {} {} 2>/run/status {} & echo $! >/run/it; while ! grep -qs started "
        "/run/status; do sleep 0.1; kill -0 $(cat /run/it) || break; done",
        collect, options, redirection));
}

/// Ends it as Ctrl-C does; returns its exit status.
int interrupt(Agent& agent) {
    return std::stoi(agent.must("kill -INT $(cat /run/it); wait $(cat /run/it); echo $?"));
}

unsigned long count_of(Agent& agent, const std::string& pattern, const std::string& file) {
    return std::stoul(agent.run(fmt::format("grep -c '{}' {}", pattern, file)).output);
}

/// The most memory that the collector had resident so far, in KiB.
unsigned long resident(Agent& agent) {
    return std::stoul(agent.must("awk '/VmHWM/ {print $2}' /proc/$(cat /run/it)/status"));
}

}  // namespace

TEST_CASE("the collector hands on what it records while it records") {
    Testbed testbed;
    auto& agent = testbed.machine.agent();
    agent.must("ip link set lo up");
    agent.bring_up_network();

    {
        INFO("text, while it goes on");
        start(agent, "--follow icmp", ">/run/text");
        agent.must("ping -c 2 -i 0.3 10.0.2.2; sleep 1.5");
        CHECK(count_of(agent, "ICMP echo request 10.0.2.15 > 10.0.2.2.*: transmitted",
                       "/run/text") == 2);
        CHECK(count_of(agent, "ICMP echo reply 10.0.2.2 > 10.0.2.15.*: delivered.*ping",
                       "/run/text") == 2);
        CHECK(count_of(agent, "us *__napi_poll", "/run/text") >= 2);
        CHECK(count_of(agent, "us *start_xmit .virtio_net. #", "/run/text") == 2);
        CHECK(interrupt(agent) == 0);
        CHECK(agent.run("grep lost: /run/text").output.empty());
    }
    {
        INFO("lines, with a command; they are the recording that the document would be");
        CHECK(record_all(
                  agent,
                  fmt::format("{} --format json-lines -o /run/r.lines icmp -- ping -c 2 10.0.2.2 "
                              "2>/run/status",
                              collect),
                  "/run/r.lines")
                  .status == 0);
        CHECK_THAT(agent.must("cat /run/status"), ContainsSubstring("\"lost\":0}"));
        CHECK_THAT(agent.must("head -n 1 /run/r.lines"),
                   ContainsSubstring("\"format\":\"skbtrail-recording-lines\""));
        CHECK_THAT(agent.must("tail -n 1 /run/r.lines"), ContainsSubstring("\"exit_status\":0"));
        CHECK(count_of(agent, "^{\"packet\":.*ICMP echo", "/run/r.lines") == 4);
        CHECK(count_of(agent, "^{\"chain\":", "/run/r.lines") >= 4);
    }
    {
        INFO("much more than fits in its memory, to somebody who reads");
        start(agent, "--format json-lines -o - --memory-mib 16 -i lo",
              "| tee /run/last | wc -c >/run/size");
        agent.must("pidof skbtrail-collect >/run/it");
        agent.must("ping -A -q -c 800 127.0.0.1");
        const auto first = resident(agent);
        agent.must("ping -A -q -c 800 127.0.0.1");
        // What it needed for the first half it needed for the second.
        CHECK(resident(agent) < first + 4096);
        agent.must("kill -INT $(cat /run/it); while pidof skbtrail-collect; do sleep 0.1; done");
        agent.must("sleep 0.5");
        CHECK(std::stoul(agent.must("cat /run/size")) > (8UL << 20U));
        CHECK_THAT(agent.must("tail -n 1 /run/last"), ContainsSubstring("\"losses\""));
        agent.must("rm /run/last");
    }
    testbed.nic.stop();
}

TEST_CASE("the collector ends when nobody reads what it hands on") {
    Testbed testbed;
    auto& agent = testbed.machine.agent();
    agent.must("ip link set lo up");
    {
        INFO("somebody who does not read");
        agent.must("mkfifo /run/pipe; sleep 1000 </run/pipe & echo $! >/run/sleeper");
        start(agent, "--format json-lines -o - --memory-mib 16 -i lo", ">/run/pipe");
        agent.must("ping -A -q -c 1000 127.0.0.1");
        CHECK(resident(agent) < 48UL * 1024);
        const auto before = std::chrono::steady_clock::now();
        CHECK(interrupt(agent) == 2);
        CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds(15));
        const auto status = agent.must("cat /run/status");
        CHECK_THAT(status, ContainsSubstring("Nobody read the output to its end"));
        CHECK_THAT(status, !ContainsSubstring(" 0 records were lost"));
        CHECK(agent.run("ls /sys/kernel/tracing/instances").output.empty());
        agent.must("kill $(cat /run/sleeper)");
    }
    {
        INFO("somebody who goes away");
        start(agent, "--follow -i lo", "| head -n 1 >/dev/null");
        agent.must("ping -c 2 127.0.0.1; sleep 3");
        CHECK(agent.run("pidof skbtrail-collect").output.empty());
    }
    testbed.nic.stop();
}
