// The collector by itself on the oldest kernel and on the newest: what it hands on while it
// records, what the other commands make of lines, and what a killed one leaves behind where there
// is one trace buffer for all.

#include <filesystem>
#include <fstream>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <fmt/format.h>

#include "tests/guest/collector.h"
#include "tests/guest/testbed.h"
#include "tests/places.h"
#include "tracer/chain/recording_json.h"

namespace fs = std::filesystem;
using Catch::Matchers::ContainsSubstring;
using skbtrail::tests::collect;
using skbtrail::tests::in_source;
using skbtrail::tests::record_all;
using skbtrail::tests::run;
using skbtrail::tests::Testbed;

namespace {

/// Records pings as `format`, into /run/FORMAT in the guest; where it is on the host.
fs::path record(Testbed& testbed, const std::string& format) {
    auto& agent = testbed.machine.agent();
    const auto file = "/run/" + format;
    const auto outcome =
        record_all(agent,
                   fmt::format("{} --format {} -o {} icmp -- ping -c 2 10.0.2.2 2>/run/status",
                               collect, format, file),
                   file);
    INFO(agent.run("cat /run/status").output);
    REQUIRE(outcome.status == 0);
    CHECK(skbtrail::tests::losses_in(agent, file).empty());
    const auto here = testbed.scratch.path() / format;
    std::ofstream(here) << agent.read_file(file);
    return here;
}

/// Text, lines, and the commands for which lines are a recording as the document is. Nobody would
/// notice otherwise that the better method was given up.
void check_streams(Testbed& testbed, const std::string& identity_method) {
    auto& agent = testbed.machine.agent();
    agent.bring_up_network();
    CHECK(agent
              .run(fmt::format("{} --follow icmp -- ping -c 2 10.0.2.2 >/run/text 2>/run/status",
                               collect))
              .status == 0);
    CHECK(agent.must("grep -c 'ICMP echo request 10.0.2.15 > 10.0.2.2.*: transmitted' /run/text") ==
          "2");
    CHECK(agent.must("grep -c 'ICMP echo reply 10.0.2.2 > 10.0.2.15' /run/text") == "2");

    const auto document = record(testbed, "json");
    const auto lines = record(testbed, "json-lines");
    CHECK(skbtrail::chain::load_recording(document).observed.identity_method == identity_method);
    for (const auto& file : {document, lines}) {
        const auto shown = run(testbed.scratch, {"skbtrail", "show", file, "--all"});
        CAPTURE(file);
        CHECK(shown.status == 0);
        CHECK_THAT(shown.output, ContainsSubstring("ICMP echo reply 10.0.2.2 > 10.0.2.15") &&
                                     ContainsSubstring("icmp_rcv"));
        const auto judged = run(testbed.scratch, {"skbtrail", "check", file, "--expect",
                                                  in_source("tests/guest/lines/expect.json")});
        INFO(judged.output);
        CHECK(judged.status == 0);
    }
    const auto compared = run(testbed.scratch, {"skbtrail", "diff", document, lines});
    INFO(compared.output);
    CHECK(compared.status <= 1);  // the same way, or another interrupt
    CHECK_THAT(compared.output, !ContainsSubstring("only in"));
}

/// Packets that are wanted and others take turns in the same memory. Where a kernel does not show
/// that a head is used anew, what was found of the packet before must have gone with it.
void check_turns(Testbed& testbed) {
    auto& agent = testbed.machine.agent();
    agent.must("ip link set lo up");
    const auto outcome = record_all(
        agent,
        fmt::format("{} -o /run/turns udp -- sh -c 'for i in 1 2 3 4 5 6 7 8; do ping -c 1 "
                    "127.0.0.1; traceroute -n -q 1 -m 1 -w 1 -p 9000 127.0.0.1; done' "
                    ">/dev/null 2>/run/status",
                    collect),
        "/run/turns");
    INFO(agent.run("cat /run/status").output);
    REQUIRE(outcome.status == 0);
    const auto file = testbed.scratch.path() / "turns";
    std::ofstream(file) << agent.read_file("/run/turns");
    const auto recording = skbtrail::chain::load_recording(file);
    CHECK(recording.packets.size() == 8);
    for (const auto& packet : recording.packets) {
        CAPTURE(packet.id, packet.summary);
        CHECK(packet.headers.at("ip.protocol") == "udp");
        CHECK(packet.fate.kind != "unknown");
    }
}

}  // namespace

TEST_CASE("the collector by itself on the newest kernel") {
    Testbed testbed({.kernel = skbtrail::tests::newest_kernel()});
    check_streams(testbed, "kprobe.multi");
    check_turns(testbed);
    testbed.nic.stop();
}

TEST_CASE("the collector by itself on 6.1, and the only trace buffer after a kill") {
    Testbed testbed({.kernel = skbtrail::guest::resolve_kernel("6.1")});
    check_streams(testbed, "kprobe events");

    auto& agent = testbed.machine.agent();
    const auto settings = [&agent] {
        return agent.must(
            "cd /sys/kernel/tracing; for f in current_tracer set_ftrace_filter set_graph_function "
            "set_ftrace_pid max_graph_depth trace_clock buffer_size_kb tracing_on kprobe_events "
            "options/overwrite options/funcgraph-irqs; do echo $f; cat $f; done; cd /");
    };
    // Somebody's own choice, which is to come back.
    agent.must(
        "cd /sys/kernel/tracing; echo icmp_rcv >set_ftrace_filter; echo 3 >max_graph_depth; "
        "echo 777 >buffer_size_kb; cd /");
    const auto before = settings();
    agent.must(fmt::format(
        "rm -f /run/status; {} -o /run/killed icmp 2>/run/status & echo $! >/run/it; while ! grep "
        "-qs started /run/status; do sleep 0.1; done",
        collect));
    CHECK(agent.must("cat /sys/kernel/tracing/current_tracer") == "function_graph");
    agent.must("kill -9 $(cat /run/it); sleep 0.3");
    CHECK(settings() != before);
    const auto next = agent.run(
        fmt::format("{} -o /run/next icmp -- ping -c 1 10.0.2.2 2>&1 >/dev/null", collect));
    CHECK(next.status == 0);
    CHECK_THAT(next.output, ContainsSubstring("that a killed skbtrail-collect left"));
    CHECK_THAT(next.output, ContainsSubstring("\"packets\":2"));
    CHECK(settings() == before);
    testbed.nic.stop();
}
