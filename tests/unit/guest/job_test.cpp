#include "guest/job.h"

#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <catch2/matchers/catch_matchers.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "guest/error.h"

using namespace skbtrail::guest;
using Catch::Matchers::ContainsSubstring;

TEST_CASE("a job comes back from its text as it was") {
    JobSpec job;
    job.early_modules = {"/modules/virtio_console.ko"};
    job.modules = {"/modules/failover.ko", "/modules/virtio_net.ko"};
    job.sysctls = {{"net.ipv6.conf.all.disable_ipv6", "1"}};
    job.environment = {{"ADDRESS", "10.0.2.15"}};
    job.steps = {{.name = "prepare", .command = {"/bin/sh", "/lab/prepare.sh"}},
                 {.name = "exercise",
                  .command = {"/bin/sh", "-c", "echo \"ü\"\n"},
                  .record = true,
                  .deadline = std::chrono::seconds(20)}};
    job.collector = {"--plan", "/plan"};
    job.return_files = {"/tmp/plan.new"};
    const std::string text = to_json_text(job);
    CHECK(parse_job(text) == job);
    CHECK(to_json_text(parse_job(text)) == text);
    CHECK(text.ends_with("}\n"));
}

TEST_CASE("a job that is deferred comes back as one") {
    JobSpec job;
    job.deferred = true;
    CHECK(parse_job(to_json_text(job)) == job);
    CHECK_FALSE(parse_job(R"({"steps":[]})").deferred);
    CHECK_THROWS_WITH(parse_job(R"({"steps":[],"deferred":1})"), ContainsSubstring("/deferred"));
}

TEST_CASE("what is left out has a sensible value") {
    const JobSpec job = parse_job(R"({"steps":[{"name":"a","command":["ping"]}]})");
    CHECK(job.steps.front().deadline == std::chrono::seconds(60));
    CHECK_FALSE(job.steps.front().record);
    CHECK(job.modules.empty());
}

TEST_CASE("a malformed job is refused with its place") {
    struct Case {
        std::string text;
        std::string expected;
    };
    const auto test = GENERATE(from_range(std::vector<Case>{
        {"", "not JSON"},
        {"{", "not JSON"},
        {"[]", "at its top: an object was expected"},
        {"{}", "the member \"steps\" is missing"},
        {R"({"steps":[],"step":[]})", "no member \"step\""},
        {R"({"steps":{}})", "/steps: an array was expected"},
        {R"({"steps":["a"]})", "/steps/0: an object was expected"},
        {R"({"steps":[{"command":["a"]}]})", "/steps/0: the member \"name\" is missing"},
        {R"({"steps":[{"name":"","command":["a"]}]})", "/steps/0/name: a step needs a name"},
        {R"({"steps":[{"name":7,"command":["a"]}]})", "/steps/0/name: a string was expected"},
        {R"({"steps":[{"name":"a"}]})", "the member \"command\" is missing"},
        {R"({"steps":[{"name":"a","command":[]}]})", "/steps/0/command: a step needs a program"},
        {R"({"steps":[{"name":"a","command":[""]}]})", "/steps/0/command: a step needs a program"},
        {R"({"steps":[{"name":"a","command":"ping"}]})", "/steps/0/command: an array"},
        {R"({"steps":[{"name":"a","command":["ping",1]}]})", "/steps/0/command/1: a string"},
        {R"({"steps":[{"name":"a","command":["a\u0000b"]}]})", "a NUL"},
        {R"({"steps":[{"name":"a","command":["b"],"record":1}]})", "/steps/0/record: true or"},
        {R"({"steps":[{"name":"a","command":["b"],"recrod":true}]})", "no member \"recrod\""},
        {R"({"steps":[{"name":"a","command":["b"],"deadline_s":0}]})", "/steps/0/deadline_s"},
        {R"({"steps":[{"name":"a","command":["b"],"deadline_s":-5}]})", "/steps/0/deadline_s"},
        {R"({"steps":[{"name":"a","command":["b"],"deadline_s":1.5}]})", "/steps/0/deadline_s"},
        {R"({"steps":[{"name":"a","command":["b"],"deadline_s":86401}]})", "/steps/0/deadline_s"},
        {R"({"steps":[{"name":"a","command":["b"],"deadline_s":18446744073709551615}]})",
         "/steps/0/deadline_s"},
        {R"({"steps":[{"name":"a","command":["b"]},{"name":"a","command":["c"]}]})",
         "/steps/1/name: another step"},
        {R"({"steps":[],"modules":["virtio_net.ko"]})", "/modules/0: an absolute path"},
        {R"({"steps":[],"modules":[null]})", "/modules/0: a string was expected, not null"},
        {R"({"steps":[],"early_modules":[""]})", "/early_modules/0: an absolute path"},
        {R"({"steps":[],"sysctls":[]})", "/sysctls: an object was expected"},
        {R"({"steps":[],"sysctls":{"a":1}})", "/sysctls/a: a string"},
        {R"({"steps":[],"environment":{"a":true}})", "/environment/a: a string"},
        {R"({"steps":[],"collector":{}})", "/collector: an array"},
        {R"({"steps":[],"return_files":["plan"]})", "/return_files/0: an absolute path"},
    }));
    CAPTURE(test.text);
    CHECK_THROWS_WITH(parse_job(test.text), ContainsSubstring(test.expected));
    CHECK_THROWS_AS(parse_job(test.text), Error);
}

TEST_CASE("a job that cannot be text is refused where it is made") {
    JobSpec job;
    job.environment["NAME"] = "\xff";
    CHECK_THROWS_AS(to_json_text(job), Error);
}
