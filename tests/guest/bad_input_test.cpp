// What people get wrong: each is answered with a sentence that says what to do. Nothing boots here.

#include <filesystem>
#include <fstream>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "tests/guest/program.h"

namespace fs = std::filesystem;
using Catch::Matchers::ContainsSubstring;
using skbtrail::tests::run;
using skbtrail::tests::Scratch;

namespace {

const std::string skbtrail_program = std::string(SKBTRAIL_BIN) + "/skbtrail";

fs::path write(const fs::path& path, const std::string& text) {
    std::ofstream file(path);
    file << text;
    REQUIRE(file.flush());
    return path;
}

}  // namespace

TEST_CASE("a lab that is not there, and what a typo meant") {
    const Scratch scratch;
    const auto unknown = run(scratch, {"skbtrail", "run", "ping-recieve"});
    CHECK(unknown.status == 2);
    CHECK_THAT(unknown.output,
               ContainsSubstring("no lab \"ping-recieve\"") && ContainsSubstring("ping-receive"));
    const auto path = run(scratch, {"skbtrail", "run", "../labs/ping-receive"});
    CHECK(path.status == 2);
    CHECK_THAT(path.output, ContainsSubstring("--labs"));
}

TEST_CASE("wrong usage exits with 64") {
    const Scratch scratch;
    CHECK(run(scratch, {"skbtrail"}).status == 64);
    CHECK(run(scratch, {"skbtrail", "rnu"}).status == 64);
    CHECK(run(scratch, {"skbtrail", "run", "ping-receive", "--no-such-option"}).status == 64);
    CHECK(run(scratch, {"skbtrail-nic"}).status == 64);
    CHECK(run(scratch, {"skbtrail-collect"}).status == 64);
}

TEST_CASE("help is there for every command") {
    const Scratch scratch;
    for (const char* command : {"run", "list", "check", "show", "kernels", "doctor"}) {
        const auto help = run(scratch, {"skbtrail", command, "--help"});
        CHECK(help.status == 0);
        CHECK_THAT(help.output, ContainsSubstring("Usage: skbtrail "));
    }
}

TEST_CASE("a kernel version that Debian does not have") {
    const Scratch scratch;
    const auto outcome = run(scratch, {"skbtrail", "run", "ping-receive", "--kernel", "5.99",
                                       "--output", scratch.path() / "results"});
    INFO(outcome.output);
    CHECK(outcome.status == 2);
    CHECK_THAT(outcome.output, ContainsSubstring("5.99") && ContainsSubstring("6.12"));
    CHECK(scratch.left_behind().empty());
}

TEST_CASE("no network and no kernel in the cache") {
    const Scratch scratch;
    const fs::path cache = scratch.path() / "cache";
    const auto outcome = run(scratch, {"/usr/bin/unshare", "--net", "--", "/usr/bin/env",
                                       "SKBTRAIL_CACHE=" + cache.string(), skbtrail_program,
                                       "kernels", "fetch", "6.12"});
    INFO(outcome.output);
    CHECK(outcome.status == 2);
    CHECK_THAT(outcome.output, ContainsSubstring("mirror"));
}

TEST_CASE("a QEMU that is too old is refused, with the reason") {
    const Scratch scratch;
    const fs::path qemu = write(scratch.path() / "qemu-system-x86_64",
                                "#!/bin/sh\necho 'QEMU emulator version 7.2.22 (Debian 1:7.2)'\n");
    fs::permissions(qemu, fs::perms::owner_all);
    const auto outcome = run(scratch, {"skbtrail", "run", "ping-receive", "--qemu", qemu,
                                       "--output", scratch.path() / "results"});
    INFO(outcome.output);
    CHECK(outcome.status == 2);
    CHECK_THAT(outcome.output, ContainsSubstring("7.2") && ContainsSubstring("10"));
    CHECK(scratch.left_behind().empty());
}

TEST_CASE("what is no recording is not judged") {
    const Scratch scratch;
    const auto judge = [&](const std::string& text) {
        const fs::path file = write(scratch.path() / "recording.json", text);
        return run(scratch, {"skbtrail", "check", file, "--lab", "ping-receive"});
    };
    for (const std::string text : {"", "not JSON", "[]", "{\"format\":\"something\"}",
                                   "{\"format\":\"skbtrail-recording\",\"version\":1}"}) {
        INFO(text);
        const auto outcome = judge(text);
        INFO(outcome.output);
        CHECK(outcome.status == 2);
        CHECK_THAT(outcome.output, ContainsSubstring("recording.json"));
    }
    const auto future = judge("{\"format\":\"skbtrail-recording\",\"version\":2}");
    CHECK(future.status == 2);
    CHECK_THAT(future.output, ContainsSubstring("newer"));
    const auto missing = run(scratch, {"skbtrail", "show", scratch.path() / "nowhere.json"});
    CHECK(missing.status == 2);
    CHECK_THAT(missing.output, ContainsSubstring("nowhere.json"));
}

TEST_CASE("an expectation with a typo in a keyword") {
    const Scratch scratch;
    const fs::path expectation = write(
        scratch.path() / "expect.json",
        R"({"format":"skbtrail-expectation","version":1,"chains":[)"
        R"({"name":"a","root":"__napi_poll","calls":[{"call":"virtnet_poll","optoinal":true}]}]})");
    // It is read before anything boots.
    const auto outcome = run(scratch, {"skbtrail", "run", "ping-receive", "--expect", expectation,
                                       "--output", scratch.path() / "results"});
    INFO(outcome.output);
    CHECK(outcome.status == 2);
    CHECK_THAT(outcome.output, ContainsSubstring("optoinal") && ContainsSubstring("optional") &&
                                   ContainsSubstring("expect.json"));
}
