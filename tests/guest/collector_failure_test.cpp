// What the collector does on a machine that is not as it would like it: each time a sentence for a
// person, nothing left behind, and what others had set up left alone.

#include <sstream>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <fmt/format.h>

#include "tests/guest/collector.h"
#include "tests/guest/testbed.h"

using Catch::Matchers::ContainsSubstring;
using skbtrail::tests::Agent;
using skbtrail::tests::Testbed;

namespace {

constexpr const char* tracing = "/sys/kernel/tracing";

/// Records a ping, with what a shell does before in the same process.
skbtrail::tests::Outcome try_to_collect(Agent& agent, const std::string& before = "") {
    return skbtrail::tests::record_all(
        agent,
        fmt::format("sh -c '{}{} -o /run/r.json -- ping -c 1 10.0.2.2' 2>&1", before,
                    skbtrail::tests::collect),
        "/run/r.json");
}

void check_records(Agent& agent) {
    const auto outcome = try_to_collect(agent);
    INFO(outcome.output);
    CHECK(outcome.status == 0);
    CHECK_THAT(outcome.output, ContainsSubstring("\"lost\":0}"));
    CHECK(agent.run(fmt::format("ls {}/instances", tracing)).output.empty());
}

void check_refuses(Agent& agent, const std::string& sentence, const std::string& before = "") {
    agent.must("rm -f /run/r.json");
    const auto outcome = try_to_collect(agent, before);
    CAPTURE(before);
    CHECK(outcome.status == 2);
    CHECK_THAT(outcome.output, ContainsSubstring(sentence));
    CHECK(agent.run("test -e /run/r.json").status == 1);
}

/// Records a ping with `plan`; the recording tells `loss`, and nothing else is lost.
void check_loses_only(Agent& agent, const std::string& plan, const std::string& loss) {
    const auto outcome = agent.run(
        fmt::format("skbtrail-collect --plan {} --status-fd 2 -o /run/r.json -- ping -c 1 10.0.2.2 "
                    "2>&1",
                    plan));
    INFO(outcome.output);
    CHECK(outcome.status == 0);
    std::istringstream lines(skbtrail::tests::losses_in(agent, "/run/r.json"));
    bool told = false;
    for (std::string line; std::getline(lines, line);) {
        CAPTURE(line);
        const bool is_it = line.find(loss) != std::string::npos;
        CHECK((is_it || skbtrail::tests::is_hidden(line)));
        told = told || is_it;
    }
    CHECK(told);
    CHECK_THAT(agent.must("tr , '\\n' </run/r.json | grep identity_method"),
               ContainsSubstring("kprobe.multi"));
}

/// Functions that are not there do not keep the others from being recorded.
void check_missing_functions(Agent& agent) {
    // Probed where no function begins: those that no ping and no neighbour's question calls.
    agent.must(
        "grep -o '\"function\":\"[^\"]*\",\"start' /run/r.json | cut -d '\"' -f 4 >/run/seen");
    agent.must(
        "awk -F '\\t' -v OFS='\\t' 'NR == FNR { seen[$1]; next } "
        "$1 == \"f\" && $7 != \"-\" && n < 1000 && !($8 in seen) && $8 !~ "
        "/^_*(x64_|sock|skb|napi|dev_|neigh|arp|ndisc|ip6|ipv6|icmpv6|igmp|mld|netlink|unix)/ "
        "{ $4 += 1; ++n } { print }' /run/seen /run/plan >/run/moved");
    check_loses_only(agent, "/run/moved", "\"function_not_attached\",\"count\":1000,");
    CHECK(
        agent.must("tr '{' '\\n' </run/r.json | grep -c 'no function there that it lets trace'") ==
        "1000");

    // In the list that a plan is made of, and not in the kernel: behind its last one, or nowhere.
    const std::string list = fmt::format("{}/available_filter_functions_addrs", tracing);
    agent.must(fmt::format("cat {} >/run/list", list));
    agent.must(
        "page=$(sed -n 's/^\\(.*\\)... icmp_rcv$/\\1/p' /run/list); i=0; while [ $i -lt 1000 ]; "
        "do printf '%s%03x not_there_%d\\n' $page $i $i; printf '0 nowhere_%d\\n' $i; "
        "i=$((i + 1)); done >>/run/list");
    agent.must(fmt::format("mount --bind /run/list {}", list));
    check_loses_only(agent, "/run/no-plan", "\"function_not_traced\",\"count\":1000,");
    CHECK_THAT(agent.must("tr '{' '\\n' </run/r.json | grep not_there_999"),
               ContainsSubstring("list of functions ends before"));
    agent.must(fmt::format("umount {}", list));
}

}  // namespace

TEST_CASE("the collector on a machine that is not as it would like it") {
    Testbed testbed;
    auto& agent = testbed.machine.agent();
    agent.bring_up_network();
    agent.run(fmt::format("mountpoint -q {0} || mount -t tracefs tracefs {0}", tracing));

    agent.must("mount -t tmpfs none /sys/kernel/btf");
    check_refuses(agent, "types cannot be read");
    agent.must("umount /sys/kernel/btf");
    check_records(agent);  // and makes the plan for what follows
    check_missing_functions(agent);

    // Killed: the next one cleans up after it.
    agent.must(
        "skbtrail-collect --plan /run/plan -o /run/killed.json -- sleep 1000 & echo $! "
        ">/run/it; while ! pidof sleep; do sleep 0.1; done");
    agent.must("kill -9 $(cat /run/it); sleep 0.2; killall sleep");
    CHECK_THAT(agent.must(fmt::format("ls {}/instances", tracing)), ContainsSubstring("skbtrail-"));
    check_records(agent);

    // Interrupted: what there is, is recorded.
    agent.must(
        "skbtrail-collect --plan /run/plan -o /run/ended.json & echo $! >/run/it; while ! "
        "grep -q 1 /sys/kernel/tracing/instances/*/tracing_on; do sleep 0.1; done");
    agent.must("ping -c 1 10.0.2.2; kill -INT $(cat /run/it); wait $(cat /run/it)");
    CHECK_THAT(agent.must("tr , '\\n' </run/ended.json | grep summary"),
               ContainsSubstring("ICMP echo reply"));

    // Somebody else's tracing goes on as if nobody had been there.
    agent.must(
        fmt::format("cd {} && echo icmp_rcv >set_ftrace_filter && echo function_graph "
                    ">current_tracer && echo 1 >tracing_on; cd /",
                    tracing));
    check_records(agent);
    CHECK(agent.must(fmt::format("cat {}/current_tracer", tracing)) == "function_graph");
    CHECK(agent.must(fmt::format("cat {}/set_ftrace_filter", tracing)) == "icmp_rcv");
    CHECK_THAT(agent.must(fmt::format("cat {}/trace", tracing)), ContainsSubstring("icmp_rcv"));
    agent.must(
        fmt::format("cd {} && echo nop >current_tracer && echo >set_ftrace_filter; cd /", tracing));

    check_refuses(agent, "Out of memory", "ulimit -v 24000; ");

    agent.must(fmt::format("mount -o remount,ro {}", tracing));
    check_refuses(agent, "Read-only file system");
    agent.must(fmt::format("mount -o remount,rw {}", tracing));
    check_records(agent);

    agent.must(fmt::format("umount {}", tracing));
    check_refuses(agent, "tracefs is not mounted");
    agent.must(fmt::format("mount -t tracefs tracefs {}", tracing));

    // Last, since there is no way back.
    agent.must(
        "mount -t securityfs none /sys/kernel/security; echo confidentiality "
        ">/sys/kernel/security/lockdown");
    check_refuses(agent, "locked down");
    testbed.nic.stop();
}
