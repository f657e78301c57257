// The NIC as a process, with scripts in its place.
#include "labs/runner/nic.h"

#include <algorithm>
#include <chrono>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <poll.h>

#include "guest/cache.h"
#include "labs/runner/failure.h"
#include "tests/unit/runner/temporary.h"

namespace skbtrail::labs {
namespace {

using Catch::Matchers::ContainsSubstring;

NicOptions options(const TemporaryDirectory& temporary, const char* script) {
    return {.program = temporary.script("skbtrail-nic", script),
            .socket = temporary / "nic.sock",
            .wire = "reflect",
            .features = {{"mrg_rxbuf", true}, {"event_idx", false}},
            .capture = temporary / "capture.pcap",
            .events = temporary / "ring.jsonl",
            .control = temporary / "nic.ctl",
            .log = temporary / "nic.log"};
}

bool readable(int fd) {
    pollfd event{.fd = fd, .events = POLLIN, .revents = 0};
    return ::poll(&event, 1, 10'000) == 1;
}

TEST_CASE("the NIC's command line") {
    const TemporaryDirectory temporary;
    const auto arguments = nic_arguments(options(temporary, ""), 3);
    const auto has = [&](const char* argument) {
        return std::find(arguments.begin(), arguments.end(), argument) != arguments.end();
    };
    CHECK(has("--exit-with-parent"));
    CHECK(has("--features=-event_idx,+mrg_rxbuf"));
    CHECK(has("reflect"));
    auto with_queues = options(temporary, "");
    with_queues.queue_pairs = 4;
    const auto more = nic_arguments(with_queues, 3);
    CHECK(std::find(more.begin(), more.end(), "--queues=4") != more.end());
    CHECK(more.size() == arguments.size() + 1);
    CHECK(has((temporary / "nic.ctl").c_str()));
}

TEST_CASE("a NIC says that it is ready, and ends when asked") {
    const TemporaryDirectory temporary;
    Nic nic(options(temporary,
                    "trap 'echo flushed >&2; exit 0' TERM; echo ready >&3\n"
                    "while :; do sleep 0.02; done"));
    REQUIRE(readable(nic.ready_fd()));
    CHECK(nic.take_ready());
    CHECK_FALSE(nic.ending());
    nic.end();
    CHECK(nic.ending() == "exit status 0");
    CHECK(guest::read_file(temporary / "nic.log") == "flushed\n");
}

TEST_CASE("a NIC that cannot start is told in its own words") {
    const TemporaryDirectory temporary;
    Nic nic(options(temporary, "echo 'skbtrail-nic: no wire called x' >&2; exit 2"));
    REQUIRE(readable(nic.ready_fd()));
    CHECK_THROWS_WITH(nic.take_ready(), ContainsSubstring("the NIC did not come up") &&
                                            ContainsSubstring("exit status 2") &&
                                            ContainsSubstring("no wire called x"));
}

TEST_CASE("one NIC of several is told by its number") {
    const TemporaryDirectory temporary;
    auto second = options(temporary, "exit 2");
    second.name = "NIC 1";
    Nic nic(second);
    REQUIRE(readable(nic.ready_fd()));
    CHECK_THROWS_WITH(nic.take_ready(), ContainsSubstring("NIC 1 did not come up"));
}

TEST_CASE("a NIC that dies is noticed") {
    const TemporaryDirectory temporary;
    Nic nic(options(temporary, "echo ready >&3; kill -KILL $$"));
    REQUIRE(readable(nic.process_fd()));
    CHECK(nic.ending() == "killed by signal 9");
}

TEST_CASE("a NIC that does not listen to reason is killed") {
    const TemporaryDirectory temporary;
    Nic nic(options(temporary, "trap '' TERM; echo ready >&3; while :; do sleep 0.05; done"));
    REQUIRE(readable(nic.ready_fd()));
    nic.end();
    CHECK(nic.ending() == "killed by signal 9");
}

TEST_CASE("a program that is not there is a sentence") {
    const TemporaryDirectory temporary;
    auto missing = options(temporary, "");
    missing.program = temporary / "absent";
    CHECK_THROWS_WITH(Nic(missing), ContainsSubstring("absent"));
}

}  // namespace
}  // namespace skbtrail::labs
