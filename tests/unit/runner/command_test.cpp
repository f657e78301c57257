// skbtrail's exit statuses and sentences, tried on the program itself.
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "guest/process.h"
#include "tests/places.h"
#include "tests/unit/recording_builder.h"
#include "tests/unit/runner/temporary.h"
#include "tracer/chain/recording_json.h"

namespace skbtrail::labs {
namespace {

using Catch::Matchers::ContainsSubstring;
using test::call;
using test::CallBuilder;

guest::ProcessResult skbtrail(std::vector<std::string> arguments) {
    guest::Command command;
    command.arguments = std::move(arguments);
    command.arguments.insert(command.arguments.begin(), tests::built_program("skbtrail"));
    return guest::run_process(command);
}

/// A recording of one packet's chain, and an expectation of it.
class Recorded {
  public:
    explicit Recorded(const char* calls) {
        test::RecordingBuilder builder;
        builder.packet(1, {{"icmp.type", "echo-reply"}});
        builder.chain(call("__napi_poll", {call("virtnet_poll", {call("icmp_rcv").skb(1)})}));
        std::ostringstream json;
        chain::write_json(builder.build(), json);
        recording_ = temporary_.write("out/recording.json", json.str());
        expectation_ = temporary_.write(
            "expect.json",
            std::string(R"({"format":"skbtrail-expectation","version":1,"title":"t","chains":[
                {"name":"reply","root":"__napi_poll","packet":{"icmp.type":"echo-reply"},
                 "calls":)") +
                calls + "}]}");
    }
    guest::ProcessResult check() const {
        return skbtrail(
            {"check", recording_.parent_path().string(), "--expect", expectation_.string()});
    }
    const std::filesystem::path& recording() const { return recording_; }

  private:
    TemporaryDirectory temporary_;
    std::filesystem::path recording_;
    std::filesystem::path expectation_;
};

TEST_CASE("status 64: the command line is wrong") {
    for (const auto& arguments :
         std::vector<std::vector<std::string>>{{},
                                               {"frobnicate"},
                                               {"run"},
                                               {"run", "x", "--accelerator", "warp"},
                                               {"run", "x", "--shard", "3/2"},
                                               {"run", "x", "--shard", "half"},
                                               {"run", "x", "--clock", "sundial"},
                                               {"bless"},
                                               {"check"}}) {
        CHECK(skbtrail(arguments).status == 64);
    }
}

TEST_CASE("a name that is empty is told as such, and takes no default's place") {
    for (const auto& arguments : std::vector<std::vector<std::string>>{
             {"run", ""}, {"run", "", "udp"}, {"shell", ""}, {"check", ""}, {"diff", "", ""}}) {
        CAPTURE(arguments.front());
        const auto result = skbtrail(arguments);
        CHECK(result.status == 2);
        CHECK_THAT(result.errors, ContainsSubstring("is empty"));
    }
    for (const char* kernel : {"", ","}) {
        const auto result = skbtrail({"run", "udp", "--kernel", kernel});
        CHECK(result.status == 64);
        CHECK_THAT(result.errors, ContainsSubstring("no kernel is named"));
    }
}

TEST_CASE("status 0: help teaches") {
    const auto help = skbtrail({"--help"});
    CHECK(help.status == 0);
    CHECK_THAT(help.output, ContainsSubstring("First steps") && ContainsSubstring("doctor"));
    for (const auto* command : {"run", "list", "check", "show", "kernels", "doctor", "diff",
                                "bless", "merge", "manual", "completion"}) {
        CHECK(skbtrail({command, "--help"}).status == 0);
    }
    CHECK(skbtrail({"--version"}).status == 0);
}

TEST_CASE("status 0: the recording is as expected") {
    const auto result = Recorded(R"([{"call":"virtnet_poll","calls":["icmp_rcv"]}])").check();
    INFO(result.output << result.errors);
    CHECK(result.status == 0);
}

TEST_CASE("status 1: the kernel did something else") {
    const auto result = Recorded(R"([{"call":"virtnet_poll","calls":["udp_rcv"]}])").check();
    CHECK(result.status == 1);
    CHECK_THAT(result.output, ContainsSubstring("udp_rcv"));
}

TEST_CASE("status 2: what cannot be judged, in a sentence that names the file") {
    const TemporaryDirectory temporary;
    const auto is_told = [&](const std::vector<std::string>& arguments, const char* sentence) {
        const auto result = skbtrail(arguments);
        INFO(result.errors);
        CHECK(result.status == 2);
        CHECK_THAT(result.errors, ContainsSubstring(sentence));
        CHECK(result.output.empty());
    };
    const auto file = [&](const char* name, const char* text) {
        return temporary.write(name, text).string();
    };
    is_told({"check", (temporary / "absent.json").string()}, "absent.json");
    is_told({"check", file("prose", "once upon a time")}, "prose");
    is_told({"show", file("other.json", "{\"a\": 1}")}, "other.json");
    is_told({"show", file("future.json", R"({"format":"skbtrail-recording","version":99})")}, "99");
    is_told({"run", "no-such-lab"}, "no lab \"no-such-lab\"");
    is_told({"run", "../ping-receive"}, "is a path");
    is_told({"run", "x", "--labs", "/nonexistent"}, "no lab \"x\"");

    const Recorded typo(R"([{"cal":"virtnet_poll"}])");
    const auto result = typo.check();
    CHECK(result.status == 2);
    CHECK_THAT(result.errors, ContainsSubstring("expect.json") && ContainsSubstring("\"call\""));
    is_told({"show", typo.recording().string(), "--chain", "77"}, "no chain 77");
    is_told({"show", typo.recording().string(), "--ring", "--packet", "77"}, "carried packet 77");
}

TEST_CASE("status 2: a lab whose expectation is missing, or lacks what the lab shows") {
    const TemporaryDirectory temporary;
    temporary.write("labs/mine/lab.json", R"({"format":"skbtrail-lab","version":1,"title":"t",
        "wire":{"kind":"sink"},"steps":[{"name":"s","run":"run.sh","record":true}],
        "show":["replied"]})");
    temporary.write("labs/mine/run.sh", "");
    const auto told = [&] {
        const auto result = skbtrail({"run", "mine", "--labs", (temporary / "labs").string(),
                                      "--output", (temporary / "results").string()});
        CHECK(result.status == 2);
        CHECK_FALSE(std::filesystem::exists(temporary / "results"));
        return result.errors;
    };
    CHECK_THAT(told(), ContainsSubstring("the lab mine has no expect.json"));
    temporary.write("labs/mine/expect.json", R"({"format":"skbtrail-expectation","version":1,
        "chains":[{"name":"replies","root":"__napi_poll"}]})");
    CHECK_THAT(told(), ContainsSubstring("lab.json: /show/0: ") &&
                           ContainsSubstring("did you mean \"replies\"?"));
}

TEST_CASE("verify warns of a source of another version than the recording's") {
    const Recorded recorded(R"(["virtnet_poll"])");  // on 6.12.38
    const TemporaryDirectory tree;
    tree.write("net/core/dev.c", "int first(void)\n{\n\treturn 0;\n}\n");
    const auto errors_of = [&](const char* sublevel) {
        tree.write("Makefile", std::string("VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = ") + sublevel);
        return skbtrail({"expect", "verify", "ping-receive", "--source", tree.path().string(),
                         "--recording", recorded.recording().string()})
            .errors;
    };
    CHECK_THAT(errors_of("95\n"),
               ContainsSubstring("is Linux 6.12.95") && ContainsSubstring("(Linux 6.12.38)"));
    CHECK(errors_of("38\n").empty());
}

TEST_CASE("status 0 and 1: recordings are compared") {
    const Recorded one("[]");
    const auto with = [](const std::vector<CallBuilder>& below) {
        test::RecordingBuilder builder;
        builder.packet(1, {{"icmp.type", "echo-reply"}}).traceable("nf_hook_slow");
        builder.chain(call("__napi_poll", {call("virtnet_poll", below)}));
        std::ostringstream json;
        chain::write_json(builder.build(), json);
        return json.str();
    };
    const TemporaryDirectory temporary;
    const auto a = temporary.write("a/recording.json", with({call("icmp_rcv").skb(1)}));
    const auto b = temporary.write("b/recording.json",
                                   with({call("nf_hook_slow").skb(1), call("icmp_rcv").skb(1)}));
    const auto place_of = [](const auto& file) { return file.parent_path().string(); };
    CHECK(skbtrail({"diff", place_of(a), a.string()}).status == 0);
    const auto result = skbtrail({"diff", place_of(a), place_of(b)});
    CHECK(result.status == 1);
    CHECK_THAT(result.output, ContainsSubstring("__napi_poll → virtnet_poll") &&
                                  ContainsSubstring("nf_hook_slow"));
    CHECK_THAT(skbtrail({"diff", a.string(), b.string(), "--format", "json"}).output,
               ContainsSubstring("\"change\": \"added\""));
    CHECK(skbtrail({"diff", a.string(), b.string(), "--ignore", "nf_*"}).status == 0);
    CHECK(skbtrail({"diff", a.string(), "/nonexistent"}).status == 2);
    for (const auto& wrong : std::vector<std::vector<std::string>>{
             {"diff", a.string()},
             {"diff", "ping-receive", "--kernel", "6.1"},
             {"diff", a.string(), b.string(), "--kernel", "6.1,6.12"}}) {
        CHECK(skbtrail(wrong).status == 64);
    }
    CHECK_THAT(skbtrail({"diff", "--rules"}).output, ContainsSubstring("route cache"));
}

TEST_CASE("the man page says what --help says, and is well formed") {
    const auto page = skbtrail({"manual"});
    REQUIRE(page.status == 0);
    const TemporaryDirectory temporary;
    guest::Command groff;
    // Without what makes bold on a typewriter, and without a line's end to look for.
    groff.arguments = {
        "groff",   "-man",      "-Kutf8", "-Tutf8",
        "-P-cbuo", "-rLL=400n", "-ww",    temporary.write("skbtrail.1", page.output).string()};
    const auto printed = guest::run_process(groff);
    CHECK(printed.status == 0);
    CHECK(printed.errors.empty());
    for (const auto* text : {"skbtrail kernels fetch", "--deadline-scale", "--shard", "SYNOPSIS",
                             "watch one packet travel", "Exit status: 0 equal"}) {
        CHECK_THAT(printed.output, ContainsSubstring(text));
    }
    CHECK(page.output.find("exit-with-parent") == std::string::npos);
}

TEST_CASE("bash completes commands, options, values and labs") {
    const TemporaryDirectory temporary;
    const auto script =
        temporary.write("completion", skbtrail({"completion", "bash"}).output).string();
    const auto completed = [&](const std::string& words) {
        guest::Command bash;
        bash.arguments = {"bash",
                          "--norc",
                          "-c",
                          "set -eu; PATH=$(dirname \"$1\"):$PATH; . \"$2\"; shift 2; "
                          "COMP_WORDS=(\"$@\" \"${LAST-}\"); COMP_CWORD=$#; _skbtrail; "
                          "echo \"${COMPREPLY[*]}\"",
                          "bash",
                          tests::built_program("skbtrail"),
                          script};
        std::istringstream list(words);
        std::vector<std::string> typed;
        for (std::string word; list >> word;) typed.push_back(word);
        if (words.back() != ' ') {
            bash.environment["LAST"] = typed.back();
            typed.pop_back();
        }
        bash.arguments.insert(bash.arguments.end(), typed.begin(), typed.end());
        const auto result = guest::run_process(bash);
        CHECK(result.errors.empty());
        return result.output.substr(0, result.output.find_last_not_of('\n') + 1);
    };
    CHECK(completed("skbtrail ru") == "run");
    CHECK(completed("skbtrail kernels f") == "fetch");
    CHECK(completed("skbtrail run --ac") == "--accelerator");
    CHECK(completed("skbtrail run --accelerator k") == "kvm");
    CHECK(completed("skbtrail run ping-r") == "ping-receive");
    CHECK(completed("skbtrail run ping-receive --format ju") == "junit");
    CHECK(completed("skbtrail expect verify --so") == "--source");
    CHECK(completed("skbtrail completion ") == "bash zsh");
    CHECK(completed("skbtrail diff --rules ").empty() == false);
    // A kernel of one's own, behind another.
    CHECK(completed("skbtrail run --kernel 6.1," + script.substr(0, script.size() - 3)) ==
          "6.1," + script);
    CHECK(completed("skbtrail diff udp --change " + script.substr(0, script.size() - 3)) == script);
}

// A zsh in a terminal, at which somebody types and presses the tabulator.
TEST_CASE("zsh completes commands, options, values and labs") {
    const TemporaryDirectory temporary;
    const auto script = temporary.write("_skbtrail", skbtrail({"completion", "zsh"}).output);
    const bool sourced = GENERATE(true, false);
    const auto initialise =
        sourced ? fmt::format("compinit -u -D; . {}", script.string())
                : fmt::format("fpath=({} $fpath); compinit -u -D", script.parent_path().string());
    const auto completes = [&](const std::string& typed, const std::string& completed) {
        CAPTURE(initialise, typed);
        guest::Command zsh;
        zsh.deadline = std::chrono::seconds(30);
        zsh.environment["HOME"] = temporary.path().string();
        zsh.arguments = {
            "zsh",
            "-f",
            "-c",
            "zmodload zsh/zpty; zpty typed zsh -f -i; "
            "zpty -w typed \"PS1=; PATH=$1:\\$PATH; autoload -Uz compinit; $2; print re''ady\"; "
            "zpty -r -m typed seen '*ready*' || exit 3; "
            "zpty -w -n typed \"$3\"$'\\t'; zpty -r -m typed seen \"*$4*\" || exit 4",
            "zsh",
            tests::in_build("bin"),
            initialise,
            typed,
            completed};
        const auto result = guest::run_process(zsh);
        INFO(guest::describe(zsh, result));
        CHECK(result.status == 0);
    };
    completes("skbtrail kern", "kernels");
    completes("skbtrail run --ac", "--accelerator");
    completes("skbtrail run ping-r", "ping-receive");
    completes("skbtrail run ping-receive --format ju", "junit");
    completes("skbtrail expect verify --so", "--source");
}

TEST_CASE("labs are listed") {
    const auto result = skbtrail({"list"});
    CHECK(result.status == 0);
    CHECK_THAT(result.output, ContainsSubstring("ping-receive"));
}

}  // namespace
}  // namespace skbtrail::labs
