// What people get wrong: each is answered with a sentence that says what to do. Nothing boots here.

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "tests/guest/broken_lab.h"
#include "tests/guest/program.h"
#include "tests/places.h"
#include "tracer/chain/recording_json.h"

namespace fs = std::filesystem;
using Catch::Matchers::ContainsSubstring;
using skbtrail::tests::BrokenLab;
using skbtrail::tests::built_program;
using skbtrail::tests::run;
using skbtrail::tests::Scratch;

namespace {

const std::string skbtrail_program = built_program("skbtrail");

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
    for (const char* name : {"../labs/ping-receive", "/etc", "..", "ping-receive/"}) {
        INFO(name);
        const auto path = run(scratch, {"skbtrail", "run", name});
        CHECK(path.status == 2);
        CHECK_THAT(path.output, ContainsSubstring("is a path") && ContainsSubstring("--labs"));
    }
    CHECK(run(scratch, {"skbtrail", "run", ""}).status == 2);
    CHECK(scratch.left_behind().empty());
}

TEST_CASE(
    "what is wrong in a lab's folder is told with its file and place, before anything boots") {
    struct Case {
        const char* file;
        const char* text;
        const char* told;
    };
    const auto broken = GENERATE(
        Case{"lab.json", "", "lab.json: there is nothing in it"},
        Case{"lab.json", "{\"format\": \"skbtrail-lab\",", "lab.json: line 1, column"},
        Case{"lab.json", "{\"format\":\"skbtrail-lab\",\"version\":1,\"titel\":\"\"}", "title"},
        Case{"expect.json", "{\"format\":\n\"skbtrail-expectation\",", "expect.json: line 2"},
        Case{"wire.json", "{\"steps\":\n", "wire.json: not JSON: parse error at line 2"});
    CAPTURE(broken.file, broken.text);
    const Scratch scratch;
    const BrokenLab lab(scratch);
    lab.write(broken.file, broken.text);
    const auto outcome = lab.run();
    INFO(outcome.output);
    CHECK(outcome.status == 2);
    CHECK_THAT(outcome.output,
               ContainsSubstring(broken.told) && ContainsSubstring(lab.file(broken.file).string()));
    CHECK(!fs::exists(lab.results() / "console.log"));
    CHECK(scratch.left_behind().empty());
}

TEST_CASE("what only the card or the kernel can refuse of a lab is told with the lab's file") {
    struct Case {
        void (*change)(nlohmann::json&);
        const char* told;
    };
    const auto broken =
        GENERATE(Case{[](nlohmann::json& lab) { lab["wire"]["kind"] = "scirpt"; },
                      "no wire of the kind \"scirpt\"; did you mean \"script\"?"},
                 Case{[](nlohmann::json& lab) { lab["nic"]["features"] = {{"mrg_rxbfu", true}}; },
                      "no feature \"mrg_rxbfu\""},
                 Case{[](nlohmann::json& lab) { lab["modules"] = {"no_such_module"}; },
                      "no module no_such_module"});
    CAPTURE(broken.told);
    const Scratch scratch;
    const BrokenLab lab(scratch);
    lab.change(broken.change);
    const auto outcome = lab.run();
    INFO(outcome.output);
    CHECK(outcome.status == 2);
    const auto failure = outcome.output.find("skbtrail: the run failed in phase");
    REQUIRE(failure != std::string::npos);
    const auto sentence =
        outcome.output.substr(failure, outcome.output.find('\n', failure) - failure);
    CHECK_THAT(sentence,
               ContainsSubstring(broken.told) && ContainsSubstring(lab.file("lab.json").string()));
    CHECK(!fs::exists(lab.results() / "console.log"));
    CHECK(scratch.left_behind().empty());
}

TEST_CASE("what is no kernel image is told with its file") {
    const Scratch scratch;
    const fs::path image = write(scratch.path() / "bzImage", "this boots nowhere");
    for (const fs::path& kernel : {image, scratch.path() / "nowhere", scratch.temporary()}) {
        const auto outcome = run(scratch, {"skbtrail", "run", "ping-receive", "--kernel", kernel,
                                           "--output", scratch.path() / "results"});
        INFO(outcome.output);
        CHECK(outcome.status == 2);
        CHECK_THAT(outcome.output,
                   ContainsSubstring("phase \"kernel\"") && ContainsSubstring(kernel.string()));
        CHECK(scratch.left_behind().empty());
    }
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

TEST_CASE("a recording that would drive the terminal is shown without what drives it") {
    const Scratch scratch;
    const std::string hostile = "\x1b]0;owned\x07\x1b[2J";
    skbtrail::chain::Recording recording;
    recording.observed.kernel_release = "6.12.95" + hostile;
    recording.observed.host["lab"] = "ping-receive";
    recording.observed.command = {"ping", hostile};
    recording.packets.emplace_back().summary = "ICMP" + hostile;
    recording.packets.back().headers["icmp.type"] = "echo-reply" + hostile;
    recording.packets.back().fate = {.kind = "dropped", .function = hostile, .reason = hostile};
    recording.losses.push_back({"probe_missed", {}, 1, hostile});
    auto& chain = recording.chains.emplace_back();
    chain.comm = hostile;
    chain.root.function = "__napi_poll";
    chain.root.calls.emplace_back().function = "virtnet_poll" + hostile;
    const auto file = scratch.path() / "recording.json";
    std::ofstream stream(file);
    skbtrail::chain::write_json(recording, stream);
    stream.close();
    const std::vector<std::vector<std::string>> commands = {
        {"skbtrail", "show", file},
        {"skbtrail", "show", file, "--all"},
        {"skbtrail", "check", file},
        {"skbtrail", "diff", file, file, "--full"}};
    for (const auto& command : commands) {
        const auto outcome = run(scratch, command);
        INFO(outcome.output);
        CHECK_THAT(outcome.output, ContainsSubstring("]0;owned") || ContainsSubstring("6.12.95"));
        CHECK(outcome.output.find('\x1b') == std::string::npos);
        CHECK(outcome.output.find('\x07') == std::string::npos);
    }
}

TEST_CASE("a source tree that does not say its version is told") {
    const Scratch scratch;
    const fs::path tree = scratch.path() / "linux";
    fs::create_directories(tree / "net" / "core");
    write(tree / "net" / "core" / "dev.c", "int first(void)\n{\n\treturn 0;\n}\n");
    const auto verify = [&] {
        return run(scratch, {"skbtrail", "expect", "verify", "ping-receive", "--source", tree});
    };
    const auto without = verify();
    INFO(without.output);
    CHECK(without.status == 1);
    CHECK_THAT(without.output, ContainsSubstring("warning: no Makefile of " + tree.string()) &&
                                   ContainsSubstring("conditions on the version"));
    write(tree / "Makefile", "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 95\n");
    const auto with = verify();
    INFO(with.output);
    CHECK_THAT(with.output, ContainsSubstring("in Linux 6.12.95") && !ContainsSubstring("warning"));
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
