// Every shipped lab on every kernel that the labs are made for, as one batch: what `make test-all`
// adds to `make test`.

#include <chrono>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "guest/kernel_store.h"
#include "tests/guest/agent.h"
#include "tests/guest/program.h"
#include "tests/guest/shipped_labs.h"

namespace fs = std::filesystem;
using skbtrail::tests::Program;
using skbtrail::tests::run;
using skbtrail::tests::Scratch;
using skbtrail::tests::shipped_labs;

namespace {

/// Three minutes a kernel on an idle machine of two processors.
constexpr auto batch_limit = std::chrono::hours(2);

/// A kernel of the same version as `kernel`, built for another release of Debian: another compiler.
std::string another_build(const skbtrail::guest::Kernel& kernel) {
    const auto version = kernel.release.substr(0, kernel.release.find('+'));
    skbtrail::guest::KernelStore store;
    for (const auto& other : store.available()) {
        if (other.release != kernel.release && other.release.starts_with(version + "+")) {
            return other.release;
        }
    }
    FAIL("Debian has only one build of " << version);
    return {};
}

/// Debian 12's, Debian 13's in two builds, and the newest.
std::vector<std::string> every_kernel() {
    const auto second = skbtrail::guest::resolve_kernel("6.12");
    return {skbtrail::guest::resolve_kernel("6.1").release, second.release, another_build(second),
            skbtrail::tests::newest_kernel().release};
}

}  // namespace

TEST_CASE("every shipped lab passes on every kernel, or says why it is skipped", "[.all]") {
    const Scratch scratch;
    const auto kernels = every_kernel();
    const auto results = scratch.path() / "results";
    Program batch(scratch, {"skbtrail", "run", "--all", "--kernel",
                            fmt::format("{}", fmt::join(kernels, ",")), "-o", results});
    const int status = batch.wait(batch_limit);
    INFO(batch.output());
    CHECK(status == 0);
    CHECK(scratch.left_behind().empty());

    const auto merged = run(scratch, {"skbtrail", "merge", "--format", "json", results});
    const auto report = nlohmann::json::parse(merged.output);
    std::set<std::string> run_on_all;
    for (const auto& result : report["results"]) {
        const auto name = result["lab"].get<std::string>();
        CAPTURE(name, result["release"], result["text"]);
        const bool skipped = result["outcome"] == "skipped";
        CHECK((skipped || result["outcome"] == "passed"));
        CHECK(skipped == !result["text"].get<std::string>().empty());
        run_on_all.insert(name);
    }
    CHECK(report["results"].size() == shipped_labs().size() * kernels.size());
    CHECK(run_on_all == shipped_labs());
    for (const auto& name : shipped_labs()) {
        const auto sharp = run(scratch, {"skbtrail", "expect", "sharpness", name,
                                         results / fmt::format("{}-{}", name, kernels[1])});
        INFO(sharp.output);
        CHECK(sharp.status == 0);
    }
}

TEST_CASE("two recordings of each shipped lab differ in nothing", "[.all]") {
    const Scratch scratch;
    const auto kernel = skbtrail::guest::resolve_kernel("6.12").release;
    for (const char* const name : {"one", "two"}) {
        Program batch(
            scratch, {"skbtrail", "run", "--all", "--kernel", kernel, "-o", scratch.path() / name});
        const int status = batch.wait(batch_limit);
        INFO(batch.output());
        CHECK(status == 0);
    }
    for (const auto& lab : shipped_labs()) {
        const auto folder = fmt::format("{}-{}", lab, kernel);
        const auto compared = run(scratch, {"skbtrail", "diff", scratch.path() / "one" / folder,
                                            scratch.path() / "two" / folder});
        INFO(compared.output);
        CHECK(compared.status == 0);
    }
}

TEST_CASE("what the shipped labs expect is in the source of every kernel", "[.all]") {
    const Scratch scratch;
    for (const auto& release : every_kernel()) {
        CAPTURE(release);
        const auto fetched = run(scratch, {"skbtrail", "kernels", "fetch", release, "--source"});
        INFO(fetched.output);
        REQUIRE(fetched.status == 0);
        for (const auto& name : shipped_labs()) {
            const auto verified =
                run(scratch, {"skbtrail", "expect", "verify", name, "--source", release});
            INFO(verified.output);
            CHECK(verified.status == 0);
        }
    }
}
