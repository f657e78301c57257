// Many labs on many kernels: which part a machine runs, what is told, and what is missing.
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <nlohmann/json.hpp>
#include <pugixml.hpp>
#include <unistd.h>

#include "labs/batch/matrix.h"
#include "labs/batch/pool.h"
#include "labs/batch/report.h"
#include "labs/batch/result.h"
#include "labs/runner/failure.h"
#include "tests/unit/runner/temporary.h"
#include "tracer/chain/format_error.h"

using namespace skbtrail::labs;
using namespace skbtrail::labs::batch;
using Catch::Matchers::ContainsSubstring;
namespace fs = std::filesystem;

namespace {

LabResult result(const std::string& lab, const std::string& kernel, LabOutcome outcome,
                 const std::string& text = "") {
    LabResult result;
    result.lab = lab;
    result.kernel = kernel;
    result.release = kernel + ".1-cloud-amd64";
    result.outcome = outcome;
    result.text = text;
    result.seconds = 10;
    result.chains.push_back({"the reply # comes in", outcome, text});
    return result;
}

std::vector<LabResult> three() {
    return {result("ping", "6.12", LabOutcome::passed),
            result("udp", "6.12", LabOutcome::diverged, "expected <a> & \"b\", came c"),
            result("xdp", "6.1", LabOutcome::skipped, "needs CONFIG_XDP_SOCKETS")};
}

}  // namespace

TEST_CASE("kernels are cut at commas, and the options of a path stay with it") {
    CHECK(split_kernels({"6.1,6.12"}) == std::vector<std::string>{"6.1", "6.12"});
    CHECK(split_kernels({"6.1", "/b/vmlinux,modules=/m,6.12"}) ==
          std::vector<std::string>{"6.1", "/b/vmlinux,modules=/m", "6.12"});
    CHECK(split_kernels({}).empty());
    CHECK(split_kernels({",,"}).empty());
}

TEST_CASE("the parts of n machines are all of it, and nothing twice") {
    std::vector<Cell> all;
    for (int lab = 0; lab < 7; ++lab) {
        for (const char* kernel : {"6.1", "6.12", "7.3"}) {
            all.push_back({"lab" + std::to_string(lab), kernel});
        }
    }
    for (std::size_t count = 1; count < 30; ++count) {
        std::set<std::string> seen;
        std::size_t cells = 0;
        for (std::size_t index = 1; index <= count; ++index) {
            for (const Cell& cell : part_of(all, {index, count})) {
                seen.insert(cell.folder());
                ++cells;
            }
        }
        CHECK(cells == all.size());
        CHECK(seen.size() == all.size());
    }
    for (const char* wrong : {"0/3", "4/3", "1", "1/", "/2", "a/b", "1/0", "-1/3", "1/3x"}) {
        CHECK_THROWS_AS(parse_shard(wrong), CannotRun);
    }
    CHECK(parse_shard("2/3").index == 2);
}

TEST_CASE("a folder's name leads nowhere else") {
    CHECK(Cell{"ping", "6.12"}.folder() == "ping-6.12");
    const auto path = Cell{"ping", "../../etc/../vmlinux,modules=/x"}.folder();
    CHECK(path.find('/') == std::string::npos);
    CHECK(path.find("ping-") == 0);
    CHECK(Cell{"ping", ""}.folder() == "ping");
}

TEST_CASE("a result is read as it was written, and a broken one is refused") {
    const auto before = three()[1];
    const auto after = parse_result(to_json(before));
    CHECK(after.lab == "udp");
    CHECK(after.outcome == LabOutcome::diverged);
    CHECK(after.text == before.text);
    CHECK(after.seconds == 10);
    REQUIRE(after.chains.size() == 1);
    CHECK(after.chains[0].name == "the reply # comes in");
    auto broken = nlohmann::json::parse(to_json(before));
    broken["outcome"] = "fine";
    CHECK_THROWS_AS(parse_result(broken.dump()), skbtrail::chain::FormatError);
    CHECK_THROWS_AS(parse_result("{}"), skbtrail::chain::FormatError);
}

TEST_CASE("the table counts what was skipped") {
    const auto text = text_report(three());
    CHECK_THAT(text, ContainsSubstring("1 passed, 1 diverged, 1 skipped of 3"));
    CHECK_THAT(text, ContainsSubstring("udp on 6.12.1-cloud-amd64: diverged: expected <a>"));
    CHECK_THAT(text_report({three()[0]}), ContainsSubstring("1 passed, 0 skipped of 1"));
}

TEST_CASE("what was skipped before its kernel was known is told beside the others of that kernel") {
    auto skipped = result("napi", "6.12", LabOutcome::skipped, "needs CONFIG_FPROBE");
    skipped.release.clear();
    auto results = three();
    results.push_back(skipped);
    for (const auto format : {Format::text, Format::junit, Format::ktap}) {
        CHECK_THAT(report(results, format), !ContainsSubstring("6.12\"") &&
                                                !ContainsSubstring("  6.12 ") &&
                                                !ContainsSubstring("napi on 6.12:"));
    }
    CHECK_THAT(report(results, Format::text),
               ContainsSubstring("napi on 6.12.1-cloud-amd64: skipped"));
    // Two builds went by that name: nobody knows which one it would have been.
    results[0].release = "6.12.2-cloud-amd64";
    CHECK_THAT(report(results, Format::text), ContainsSubstring("napi on 6.12: skipped"));
}

TEST_CASE("two builds of one release are two kernels") {
    auto results = three();
    auto patched = result("ping", "patched", LabOutcome::diverged, "expected a, came b");
    patched.release = results[0].release;
    results.push_back(patched);
    const auto text = report(results, Format::text);
    CHECK_THAT(text,
               ContainsSubstring("  6.12.1-cloud-amd64 (6.12)  6.12.1-cloud-amd64 (patched)"));
    CHECK_THAT(text, ContainsSubstring("ping on 6.12.1-cloud-amd64 (patched): diverged"));
    CHECK_THAT(text, ContainsSubstring("xdp on 6.1.1-cloud-amd64: skipped"));
    const auto line = text.substr(text.find("\nping"), text.find("\nudp") - text.find("\nping"));
    CHECK_THAT(line, ContainsSubstring("passed") && ContainsSubstring("diverged"));
    pugi::xml_document document;
    REQUIRE(document.load_string(report(results, Format::junit).c_str()));
    CHECK(document.child("testsuites")
              .find_child_by_attribute("name", "6.12.1-cloud-amd64 (patched)")
              .attribute("failures")
              .as_int() == 1);
    CHECK_THAT(report(results, Format::ktap),
               ContainsSubstring("ping on 6.12.1-cloud-amd64 (patched)") &&
                   ContainsSubstring("ping on 6.12.1-cloud-amd64 (6.12)"));
}

TEST_CASE("JUnit's XML can be read, and says the same") {
    pugi::xml_document document;
    REQUIRE(document.load_string(junit_report(three()).c_str()));
    const auto suites = document.child("testsuites");
    const auto suite = suites.find_child_by_attribute("name", "6.12.1-cloud-amd64");
    CHECK(suite.attribute("tests").as_int() == 2);
    CHECK(suite.attribute("failures").as_int() == 1);
    CHECK(suite.attribute("errors").as_int() == 0);
    const auto failed = suite.find_child_by_attribute("name", "udp").child("failure");
    CHECK(std::string(failed.attribute("message").value()) == "expected <a> & \"b\", came c");
    const auto other = suites.find_child_by_attribute("name", "6.1.1-cloud-amd64");
    CHECK(other.attribute("skipped").as_int() == 1);
}

TEST_CASE("KTAP has a plan, a line for each, and directives where they belong") {
    const auto text = ktap_report(three());
    CHECK_THAT(text, ContainsSubstring("KTAP version 1\n1..3\n"));
    CHECK_THAT(text, ContainsSubstring("\nok 1 ping on 6.12.1-cloud-amd64\n"));
    CHECK_THAT(text, ContainsSubstring("\nnot ok 2 udp on 6.12.1-cloud-amd64\n"));
    CHECK_THAT(text, ContainsSubstring("\nok 3 xdp on 6.1.1-cloud-amd64 # SKIP needs CONFIG"));
    // A name must not begin a directive.
    CHECK_THAT(text, ContainsSubstring("  ok 1 the reply   comes in\n"));
}

TEST_CASE("results of several machines are put together, and what is missing is said") {
    const TemporaryDirectory scratch;
    const auto all = three();
    const auto cells = batch_json({{"ping", "6.12"}, {"udp", "6.12"}, {"xdp", "6.1"}});
    scratch.write("one/batch.json", cells);
    scratch.write("two/batch.json", cells);
    scratch.write("one/ping-6.12/result.json", to_json(all[0]));
    scratch.write("two/xdp-6.1/result.json", to_json(all[2]));
    const fs::path one = scratch.path() / "one";
    const fs::path two = scratch.path() / "two";
    const auto results = collect({one, two});
    REQUIRE(results.size() == 3);
    const auto missing = std::find_if(results.begin(), results.end(),
                                      [](const auto& its) { return its.lab == "udp"; });
    REQUIRE(missing != results.end());
    CHECK(missing->outcome == LabOutcome::failed);
    CHECK_THAT(missing->text, ContainsSubstring("has no result"));
    CHECK(batch::exit_status(results) == 2);
    scratch.write("two/udp-6.12/result.json", to_json(all[1]));
    CHECK(batch::exit_status(collect({one, two})) == 1);
    // What was run again counts as it was named last, and not in silence.
    scratch.write("one/udp-6.12/result.json", to_json(result("udp", "6.12", LabOutcome::passed)));
    std::vector<std::string> told;
    const auto listen = [&](std::string_view line) { told.emplace_back(line); };
    CHECK(batch::exit_status(collect({two, one}, listen)) == 0);
    REQUIRE(told.size() == 1);
    CHECK_THAT(told[0], ContainsSubstring("udp on 6.12 is there twice: diverged in") &&
                            ContainsSubstring("passed in"));
    CHECK(batch::exit_status(collect({one, two}, listen)) == 1);
    scratch.write("two/udp-6.12/result.json", "{");
    CHECK_THROWS_WITH(collect({two}), ContainsSubstring("udp-6.12/result.json"));
    fs::create_directories(scratch.path() / "none");
    CHECK_THROWS_AS(collect({scratch.path() / "none"}), CannotRun);
}

TEST_CASE("runs go on side by side, and one that crashes takes no other with it") {
    const TemporaryDirectory scratch;
    const auto& directory = scratch.path();
    const auto program = scratch.script("stand-in", R"(
lab=$2; result=$6
case $lab in
crash) kill -9 $$ ;;
mute) echo "what went wrong" >&2; exit 2 ;;
*) sleep 0.3; printf '{"format":"skbtrail-result","version":1,"lab":"","kernel":"","release":"r","outcome":"passed","text":"","seconds":0,"directory":"","chains":[]}' > "$result" ;;
esac
)");
    const std::vector<Cell> cells = {{"a", "1"},    {"crash", "1"}, {"b", "1"},
                                     {"mute", "1"}, {"c", "1"},     {"d", "1"}};
    const SignalWatch signals;
    std::size_t most = 0;
    std::size_t told = 0;
    const auto look = [&](const PoolState& state) { most = std::max(most, state.running.size()); };
    const auto results = run_all(
        cells, {.program = program, .arguments = {}, .directory = directory / "out", .jobs = 3},
        signals,
        [&](const PoolState& state) {
            told = state.finished.size();
            look(state);
        },
        look);
    REQUIRE(results.size() == cells.size());
    CHECK(told == cells.size());
    CHECK(most <= 3);
    CHECK(most > 1);
    for (std::size_t i = 0; i < cells.size(); ++i) CHECK(results[i].lab == cells[i].lab);
    CHECK(results[0].outcome == LabOutcome::passed);
    CHECK(results[1].outcome == LabOutcome::failed);
    CHECK_THAT(results[1].text, ContainsSubstring("killed by signal 9"));
    CHECK_THAT(results[3].text, ContainsSubstring("what went wrong"));
    CHECK(fs::exists(directory / "out" / "crash-1" / "result.json"));
}

TEST_CASE("a signal ends a batch, and what had not ended is interrupted") {
    const TemporaryDirectory scratch;
    const auto& directory = scratch.path();
    const auto program = scratch.script("stand-in", "exec sleep 60\n");
    const SignalWatch signals;
    bool sent = false;
    const auto results = run_all(
        {{"a", "1"}, {"b", "1"}, {"c", "1"}},
        {.program = program, .arguments = {}, .directory = directory / "out", .jobs = 2}, signals,
        [](const PoolState&) {},
        [&](const PoolState&) {
            if (!sent) ::kill(::getpid(), SIGTERM);
            sent = true;
        });
    REQUIRE(results.size() == 2);
    CHECK(results[0].outcome == LabOutcome::interrupted);
    CHECK(results[1].outcome == LabOutcome::interrupted);
}

TEST_CASE("the time left is what the others took") {
    PoolState state;
    state.total = 10;
    state.jobs = 2;
    const auto now = std::chrono::steady_clock::now();
    CHECK(state.left(now).count() == 0);
    state.finished = {three()[0], three()[1]};
    state.running = {{"x-1", now - std::chrono::seconds(4)},
                     {"y-1", now - std::chrono::seconds(90)}};
    // 8 left of 10 s each, of which 4 s and 10 s are over, two at once.
    CHECK(state.left(now).count() == 34);
}
