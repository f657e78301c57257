// One boot serves several labs: each in a copy of the guest that had booted, so that what one of
// them does to its guest is nothing to the next.

#include <filesystem>
#include <fstream>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <nlohmann/json.hpp>

#include "tests/guest/broken_lab.h"
#include "tests/guest/program.h"
#include "tests/places.h"

namespace fs = std::filesystem;
using Catch::Matchers::ContainsSubstring;
using skbtrail::tests::BrokenLab;
using skbtrail::tests::in_source;
using skbtrail::tests::run;
using skbtrail::tests::Scratch;
using skbtrail::tests::text_of;

namespace {

/// What a kernel says first.
constexpr const char* boot_line = "Linux version ";

nlohmann::json result_of(const fs::path& directory) {
    return nlohmann::json::parse(text_of(directory / "result.json"));
}

}  // namespace

TEST_CASE("one boot serves four labs, of which one panics and another leaves its guest in ruins") {
    const Scratch scratch;
    const BrokenLab panics(scratch);
    panics.write("prepare.sh", "echo 1 > /proc/sys/kernel/sysrq\necho c > /proc/sysrq-trigger\n");
    const auto batch = scratch.path() / "batch";
    // The second one is changed so that it passes, and would keep every other from passing.
    const auto ruins = panics.file("").parent_path().parent_path() / "ruins";
    fs::copy(in_source("labs/ping-receive"), ruins);
    auto script = text_of(ruins / "run.sh");
    script +=
        "ip link set eth0 down\nip address flush dev eth0\nrm -rf /labs /tmp/* /bin/ping\n"
        "sysctl -w net.ipv4.icmp_echo_ignore_all=1\n";
    {
        std::ofstream(ruins / "run.sh") << script;
    }
    const auto outcome =
        run(scratch, {"skbtrail", "run", "ruins", "broken", "ping-receive", "start-xmit", "--labs",
                      ruins.parent_path(), "--output", batch});
    INFO(outcome.output);
    CHECK(outcome.status == 2);

    std::size_t boots = 0;
    for (const auto& entry : fs::directory_iterator(batch)) {
        const auto console = text_of(entry.path() / "console.log");
        boots += console.find(boot_line) != std::string::npos ? 1 : 0;
    }
    CHECK(boots == 1);
    CHECK_THAT(text_of(batch / "guest-0" / "console.log"), ContainsSubstring(boot_line));

    for (const char* lab : {"ruins-6.12", "ping-receive-6.12", "start-xmit-6.12"}) {
        CAPTURE(lab);
        const auto result = result_of(batch / lab);
        CHECK(result["outcome"] == "passed");
        CHECK(result["guest"] == "guest-0");
        for (const char* file : {"recording.json", "verdict.json", "capture.pcap", "nic.log"}) {
            CHECK(fs::file_size(batch / lab / file) > 0);
        }
    }
    const auto panicked = result_of(batch / "broken-6.12");
    CHECK(panicked["outcome"] == "failed");
    CHECK(panicked["guest"] == "guest-0");
    CHECK_THAT(panicked["text"].get<std::string>(), ContainsSubstring("panicked"));
    CHECK(scratch.left_behind().empty());
}

TEST_CASE("a file that holds no guest is refused before the lab begins") {
    const Scratch scratch;
    const auto results = scratch.path() / "results";
    const auto outcome = run(scratch, {"skbtrail", "run", "ping-receive", "--resume-guest",
                                       scratch.path() / "none", "--output", results});
    INFO(outcome.output);
    CHECK(outcome.status == 75);
    CHECK_THAT(outcome.output, ContainsSubstring("phase \"resume\"") &&
                                   ContainsSubstring("cannot take up the guest"));
    CHECK(!fs::exists(results / "result.json"));
    CHECK(scratch.left_behind().empty());
}
