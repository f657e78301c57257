// skbtrail's exit statuses and sentences, tried on the program itself.
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "guest/process.h"
#include "tests/unit/recording_builder.h"
#include "tests/unit/runner/temporary.h"
#include "tracer/chain/recording_json.h"

namespace skbtrail::labs {
namespace {

using Catch::Matchers::ContainsSubstring;
using test::call;

guest::ProcessResult skbtrail(std::vector<std::string> arguments) {
    guest::Command command;
    command.arguments = std::move(arguments);
    command.arguments.insert(command.arguments.begin(), SKBTRAIL_PROGRAM);
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
    for (const auto& arguments : std::vector<std::vector<std::string>>{
             {}, {"frobnicate"}, {"run"}, {"run", "x", "--accelerator", "warp"}, {"check"}}) {
        CHECK(skbtrail(arguments).status == 64);
    }
}

TEST_CASE("status 0: help teaches") {
    const auto help = skbtrail({"--help"});
    CHECK(help.status == 0);
    CHECK_THAT(help.output, ContainsSubstring("First steps") && ContainsSubstring("doctor"));
    for (const auto* command : {"run", "list", "check", "show", "kernels", "doctor"}) {
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
}

TEST_CASE("labs are listed") {
    const auto result = skbtrail({"list"});
    CHECK(result.status == 0);
    CHECK_THAT(result.output, ContainsSubstring("ping-receive"));
}

}  // namespace
}  // namespace skbtrail::labs
