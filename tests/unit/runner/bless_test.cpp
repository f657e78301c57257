// skbtrail bless, tried on the program itself: who decides, what is written, and when it refuses.
#include <sstream>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "guest/cache.h"
#include "guest/process.h"
#include "tests/places.h"
#include "tests/unit/recording_builder.h"
#include "tests/unit/runner/temporary.h"
#include "tracer/chain/recording_json.h"

namespace skbtrail::labs {
namespace {

using Catch::Matchers::ContainsSubstring;
using test::call;

constexpr const char* old_text = R"({"format":"skbtrail-expectation","version":1,"chains":[
  {"name":"reply","root":"__napi_poll","calls":[
    {"call":"virtnet_poll","calls":[
      {"call": "icmp_rcv"}
    ]}
  ]}
]})";

/// An expectation, and a recording with two calls more.
class Bench {
  public:
    explicit Bench(std::uint64_t lost = 0) {
        test::RecordingBuilder builder;
        builder.chain(call(
            "__napi_poll",
            {call("virtnet_poll", {call("first_more"), call("icmp_rcv"), call("second_more")})}));
        builder.loss("ring_buffer_overrun", lost, 0U);
        std::ostringstream json;
        chain::write_json(builder.build(), json);
        recording_ = temporary_.write("out/recording.json", json.str());
        expectation_ = temporary_.write("expect.json", old_text);
    }

    guest::ProcessResult bless(const std::vector<std::string>& more, const char* ci = "") const {
        auto arguments = command_line(more);
        arguments.insert(arguments.begin(), {"/usr/bin/env", fmt::format("CI={}", ci)});
        guest::Command command;
        command.arguments = std::move(arguments);
        return guest::run_process(command);
    }
    /// On a terminal, where `answers` are typed.
    guest::ProcessResult typed(const char* answers) const {
        const auto line = fmt::format("printf '{}' | CI= script -qec '{}' /dev/null", answers,
                                      fmt::join(command_line({}), " "));
        guest::Command command;
        command.arguments = {"/bin/sh", "-c", line};
        return guest::run_process(command);
    }
    std::string text() const { return guest::read_file(expectation_); }
    bool beside() const { return std::filesystem::exists(expectation_.string() + ".new"); }
    void write(const std::string& text) const { temporary_.write("expect.json", text); }

  private:
    std::vector<std::string> command_line(const std::vector<std::string>& more) const {
        std::vector<std::string> arguments{tests::built_program("skbtrail"), "bless",
                                           recording_.string(), "--expect", expectation_.string()};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return arguments;
    }

    TemporaryDirectory temporary_;
    std::filesystem::path recording_;
    std::filesystem::path expectation_;
};

TEST_CASE("bless without anybody to ask shows, and changes nothing") {
    const Bench bench;
    const auto result = bench.bless({});
    INFO(result.output << result.errors);
    CHECK(result.status == 1);
    CHECK_THAT(result.output, ContainsSubstring("change 1 of 2  reply") &&
                                  ContainsSubstring("+       {\"call\": \"first_more\"},") &&
                                  ContainsSubstring("2 changes wait"));
    CHECK(bench.text() == old_text);
    CHECK(bench.beside());
}

TEST_CASE("bless takes what is accepted, and only that") {
    const Bench bench;
    const auto some = bench.bless({"--accept", "all", "--reject", "2"});
    INFO(some.output << some.errors);
    CHECK(some.status == 1);
    CHECK_THAT(some.output,
               ContainsSubstring("1 of 2 changes accepted") && ContainsSubstring("does not pass"));
    CHECK_THAT(bench.text(), ContainsSubstring("first_more") && !ContainsSubstring("second_more"));
    CHECK_FALSE(bench.beside());
    const auto rest = bench.bless({"--accept", "1"});
    CHECK(rest.status == 0);
    CHECK_THAT(bench.text(), ContainsSubstring("second_more"));
    const auto nothing = bench.bless({});
    CHECK(nothing.status == 0);
    CHECK_THAT(nothing.output, ContainsSubstring("nothing to bless"));
}

TEST_CASE("bless asks on a terminal, change by change") {
    const Bench bench;
    CHECK(bench.typed("what\\na\\nr\\n").status == 1);
    CHECK_THAT(bench.text(), ContainsSubstring("first_more") && !ContainsSubstring("second_more"));
    CHECK(bench.typed("q\\n").status == 1);
    CHECK_THAT(bench.text(), !ContainsSubstring("second_more"));
    CHECK(bench.typed("a\\n").status == 0);
    CHECK_THAT(bench.text(), ContainsSubstring("second_more"));
}

TEST_CASE("bless refuses in CI, what lost something, a draft, and changes that are not there") {
    const auto refused = [](const Bench& bench, const std::vector<std::string>& more,
                            const char* ci, const char* why) {
        const auto before = bench.text();
        const auto result = bench.bless(more, ci);
        CHECK(result.status == 2);
        CHECK_THAT(result.errors, ContainsSubstring(why));
        CHECK(bench.text() == before);
    };
    const Bench bench;
    refused(bench, {"--accept", "all"}, "true", "CI");
    CHECK_FALSE(bench.beside());
    refused(bench, {"--accept", "3"}, "", "there is no change 3");
    refused(bench, {"--accept", "first"}, "", "there is no change first");
    refused(Bench(7), {"--accept", "all"}, "", "ring_buffer_overrun: 7");
    const Bench draft;
    draft.write(std::string(old_text).insert(1, "\"draft\":true,"));
    refused(draft, {"--accept", "all"}, "", "draft");
    const Bench typo;
    typo.write(std::string(old_text).replace(1, 8, "\"fromat\""));
    refused(typo, {}, "", "expect.json");
}

}  // namespace
}  // namespace skbtrail::labs
