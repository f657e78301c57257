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

namespace fs = std::filesystem;
using Catch::Matchers::ContainsSubstring;
using skbtrail::tests::Agent;
using skbtrail::tests::Machine;
using skbtrail::tests::Nic;
using skbtrail::tests::record_all;
using skbtrail::tests::run;
using skbtrail::tests::Scratch;

namespace {

constexpr const char* collect =
    "skbtrail-collect --plan /run/plan --save-plan /run/plan --status-fd 2";

struct Guest {
    explicit Guest(const skbtrail::guest::Kernel& kernel)
        : machine(scratch, socket, {.kernel = kernel}) {
        agent().bring_up_network();
    }
    Agent& agent() { return machine.agent(); }

    Scratch scratch;
    fs::path socket = scratch.path() / "nic";
    Nic nic{scratch, socket};
    Machine machine;
};

/// Records pings as `format`, into /run/FORMAT in the guest; where it is on the host.
fs::path record(Guest& guest, const std::string& format) {
    const auto file = "/run/" + format;
    const auto outcome =
        record_all(guest.agent(),
                   fmt::format("{} --format {} -o {} icmp -- ping -c 2 10.0.2.2 2>/run/status",
                               collect, format, file),
                   file);
    INFO(guest.agent().run("cat /run/status").output);
    REQUIRE(outcome.status == 0);
    CHECK(skbtrail::tests::losses_in(guest.agent(), file).empty());
    const auto here = guest.scratch.path() / format;
    std::ofstream(here) << guest.agent().must("cat " + file) << '\n';
    return here;
}

/// Text, lines, and the commands for which lines are a recording as the document is.
void check_streams(Guest& guest) {
    auto& agent = guest.agent();
    CHECK(agent
              .run(fmt::format("{} --follow icmp -- ping -c 2 10.0.2.2 >/run/text 2>/run/status",
                               collect))
              .status == 0);
    CHECK(agent.must("grep -c 'ICMP echo request 10.0.2.15 > 10.0.2.2.*: transmitted' /run/text") ==
          "2");
    CHECK(agent.must("grep -c 'ICMP echo reply 10.0.2.2 > 10.0.2.15' /run/text") == "2");

    const auto document = record(guest, "json");
    const auto lines = record(guest, "json-lines");
    for (const auto& file : {document, lines}) {
        const auto shown = run(guest.scratch, {"skbtrail", "show", file, "--all"});
        CAPTURE(file);
        CHECK(shown.status == 0);
        CHECK_THAT(shown.output, ContainsSubstring("ICMP echo reply 10.0.2.2 > 10.0.2.15") &&
                                     ContainsSubstring("icmp_rcv"));
        const auto judged =
            run(guest.scratch, {"skbtrail", "check", file, "--expect",
                                std::string(SKBTRAIL_GUEST_TESTS) + "/lines/expect.json"});
        INFO(judged.output);
        CHECK(judged.status == 0);
    }
    const auto compared = run(guest.scratch, {"skbtrail", "diff", document, lines});
    INFO(compared.output);
    CHECK(compared.status <= 1);  // the same way, or another interrupt
    CHECK_THAT(compared.output, !ContainsSubstring("only in"));
}

}  // namespace

TEST_CASE("the collector by itself on the newest kernel") {
    Guest guest(skbtrail::tests::newest_kernel());
    check_streams(guest);
    guest.nic.stop();
}

TEST_CASE("the collector by itself on 6.1, and the only trace buffer after a kill") {
    Guest guest(skbtrail::guest::resolve_kernel("6.1"));
    check_streams(guest);

    auto& agent = guest.agent();
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
    guest.nic.stop();
}
