// What the collector records when it is asked for some packets only, in anybody's VM: what it was
// asked for is there, whole, and nothing else is.

#include <algorithm>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <fmt/format.h>

#include "tests/guest/collector.h"
#include "tests/guest/program.h"
#include "tests/guest/testbed.h"

using Catch::Matchers::ContainsSubstring;
using skbtrail::tests::Agent;
using skbtrail::tests::lines_of;
using skbtrail::tests::Testbed;

namespace {

/// The packets' headers of the recording in the guest, as a person reads them.
std::vector<std::string> summaries(Agent& agent) {
    return lines_of(agent
                        .run("tr ',' '\\n' </run/r.json | grep '\"summary\":\"' | sed "
                             "'s/.*\"summary\":\"//; s/\".*//'")
                        .output);
}

std::size_t count_of(const std::vector<std::string>& lines, const std::string& word) {
    return static_cast<std::size_t>(std::count_if(
        lines.begin(), lines.end(),
        [&word](const std::string& line) { return line.find(word) != std::string::npos; }));
}

/// Records with `options` while `command` runs, without a loss. `before` prepares it.
void record(Agent& agent, const std::string& options, const std::string& command,
            const std::string& before = "") {
    const auto outcome = skbtrail::tests::record_all(
        agent,
        fmt::format("{} -o /run/r.json {}{} 2>&1", skbtrail::tests::collect, options,
                    command.empty() ? "" : " -- sh -c '" + command + "'"),
        "/run/r.json", before);
    INFO(options << ": " << outcome.output);
    REQUIRE(outcome.status == 0);
    INFO(skbtrail::tests::losses_in(agent, "/run/r.json"));
    CHECK_THAT(outcome.output, ContainsSubstring("\"lost\":0}"));
}

}  // namespace

TEST_CASE("the collector records the packets that it is asked for, and no others") {
    Testbed testbed;
    auto& agent = testbed.machine.agent();
    agent.must("ip link set lo up");
    agent.bring_up_network();
    // ARP, the loopback device and ICMP all have something to show each time.
    const std::string all = "arp -d 10.0.2.2; ping -c 1 127.0.0.1; ping -c 2 10.0.2.2";

    record(agent, "-i eth0 icmp and host 10.0.2.2", all);
    auto seen = summaries(agent);
    CAPTURE(seen);
    CHECK(count_of(seen, "ICMP echo request 10.0.2.15 > 10.0.2.2") == 2);
    CHECK(count_of(seen, "ICMP echo reply 10.0.2.2 > 10.0.2.15") == 2);
    CHECK(seen.size() == 4);
    // Both ways are whole: from the system call to the ring, and from the ring to the socket. The
    // first half is without a link header and the second with one.
    const auto text =
        agent.must("tr ',' '\\n' </run/r.json | grep -c '\"function\":\"start_xmit\"'");
    CHECK(std::stoul(text) >= 2);
    CHECK(std::stoul(agent.must(
              "tr ',' '\\n' </run/r.json | grep -c '\"function\":\"__sock_queue_rcv_skb\"'")) >= 2);
    CHECK(agent.run("tr ',' '\\n' </run/r.json | grep '\"function\":\"loopback_xmit\"'")
              .output.empty());

    record(agent, "arp", all);
    seen = summaries(agent);
    CHECK(count_of(seen, "ARP") == 2);
    CHECK(seen.size() == 2);

    record(agent, "-i lo", all);
    seen = summaries(agent);
    CHECK(count_of(seen, "127.0.0.1 > 127.0.0.1") == 2);
    CHECK(seen.size() == 2);

    // The end of a packet is not another one.
    record(agent, "--max-packets 4 icmp", all);
    seen = summaries(agent);
    CHECK(count_of(seen, "127.0.0.1 > 127.0.0.1") == 2);
    CHECK(count_of(seen, "10.0.2.2") == 2);
    CHECK(seen.size() == 4);

    // Another network namespace has a loopback device with the same number.
    agent.must("unshare -n sleep 1000 & echo $! >/run/other; sleep 0.2");
    agent.must("nsenter -t $(cat /run/other) -n ip link set lo up");
    record(agent, "--netns $(cat /run/other) -i lo",
           "ping -c 1 127.0.0.1; nsenter -t $(cat /run/other) -n ping -c 3 127.0.0.1");
    seen = summaries(agent);
    CHECK(count_of(seen, "127.0.0.1 > 127.0.0.1") == 6);
    CHECK(seen.size() == 6);
    agent.must("kill $(cat /run/other)");

    agent.must(
        "mkdir -p /run/cgroup && mount -t cgroup2 none /run/cgroup && mkdir -p "
        "/run/cgroup/a/b");
    record(agent, "--cgroup /a",
           "ping -c 1 127.0.0.1; echo $$ >/run/cgroup/a/b/cgroup.procs; ping -c 1 10.0.2.2");
    seen = summaries(agent);
    CHECK(count_of(seen, "10.0.2.2") == 2);
    CHECK(count_of(seen, "127.0.0.1") == 0);

    agent.must("mkfifo /run/go");
    record(agent, "--process $(cat /run/it)",
           "echo go >/run/go; wget -q -T 1 -O - http://127.0.0.1:9/; sleep 0.5",
           "sh -c \"read x </run/go; exec ping -c 1 10.0.2.2\" >/dev/null & echo $! >/run/it");
    seen = summaries(agent);
    CHECK(count_of(seen, "10.0.2.2") == 2);
    CHECK(count_of(seen, "127.0.0.1") == 0);

    {
        INFO("functions and roots by glob, and a time of its own");
        record(agent, "--functions \"icmp_*,raw_*\" --roots \"ip_rcv*,ip_list_rcv\" icmp", all);
        const auto functions =
            agent.must("tr ',' '\\n' </run/r.json | grep '\"root\":{\"function\":' | sort -u");
        CAPTURE(functions);
        CHECK_THAT(functions, ContainsSubstring("ip_list_rcv"));
        CHECK_THAT(functions, !ContainsSubstring("__napi_poll"));

        record(agent, "--duration 1", "", "ping -c 20 -i 0.2 10.0.2.2 >/dev/null &");
        CHECK(count_of(summaries(agent), "ICMP echo") >= 4);
    }
    {
        INFO("what cannot be is refused with a sentence");
        const auto refused = [&agent](const std::string& options) {
            const auto outcome = agent.run(
                fmt::format("skbtrail-collect -o /run/none.json {} -- true 2>&1", options));
            CHECK(outcome.status == 2);
            CHECK(agent.run("test -e /run/none.json").status == 1);
            return outcome.output;
        };
        CHECK_THAT(refused("icmp and"), ContainsSubstring("pcap-filter(7)"));
        CHECK_THAT(refused("-i eth7"), ContainsSubstring("no interface \"eth7\""));
        CHECK_THAT(refused("--netns nowhere"), ContainsSubstring("no network namespace"));
        CHECK_THAT(refused("--cgroup /x"), ContainsSubstring("no control group"));
        CHECK_THAT(refused("--process 99999"), ContainsSubstring("no process 99999"));
        CHECK_THAT(refused("--plan /run/plan --functions \"frob_*\""),
                   ContainsSubstring("--functions frob_*"));
    }
    testbed.nic.stop();
}
