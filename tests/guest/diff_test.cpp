// Two recordings of one lab on one kernel are equal, and what is changed in one of them is found.

#include <filesystem>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "tests/guest/changed_recording.h"
#include "tests/guest/program.h"

namespace fs = std::filesystem;
using Catch::Matchers::ContainsSubstring;
using skbtrail::tests::run;
using skbtrail::tests::Scratch;
using skbtrail::tests::take_out;

TEST_CASE("two runs of a lab on one kernel differ in nothing, and a call less is seen") {
    const Scratch scratch;
    const fs::path results = scratch.path() / "results";
    const auto twice = run(scratch, {"skbtrail", "diff", "ping-receive", "--kernel", "6.12,6.12",
                                     "--output", results});
    INFO(twice.output);
    REQUIRE(twice.status == 0);
    CHECK_THAT(twice.output, ContainsSubstring("equal: 4 of 4 packets took the same way"));
    CHECK(scratch.left_behind().empty());

    const auto a = results / "a" / "ping-receive-6.12" / "recording.json";
    const auto changed = results / "changed.json";
    const auto packet = take_out(a, "ip_rcv_core", changed);
    const auto less = run(scratch, {"skbtrail", "diff", a, changed});
    INFO(less.output);
    CHECK(less.status == 1);
    CHECK_THAT(less.output,
               ContainsSubstring("-   ip_rcv_core") && ContainsSubstring("; 1 difference\n"));

    // Part of it: what is compared is named, and so the difference is in it or not.
    const auto status = [&](const std::string& option, const std::string& value) {
        const auto part = run(scratch, {"skbtrail", "diff", a, changed, option, value});
        INFO(option << ' ' << value << '\n' << part.output);
        CHECK((part.output.find("-   ip_rcv_core") != std::string::npos) == (part.status == 1));
        return part.status;
    };
    CHECK(status("--packet", std::to_string(packet)) == 1);
    CHECK(status("--packet", std::to_string(packet - 1)) == 0);
    CHECK(status("--packet", "99") == 2);
    CHECK(status("--from", "ip_list_rcv") == 1);
    CHECK(status("--from", "ip_local_deliver") == 0);
    CHECK(status("--below", "ip_list_rcv") == 1);
    CHECK(status("--below", "icmp_rcv") == 0);
    CHECK(status("--ignore", "icmp_*") == 1);
    CHECK(status("--ignore", "ip_rcv_c*") == 0);
}
