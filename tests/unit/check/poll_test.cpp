// What an expectation says of a poll: its budget and its work.
#include <cstdint>
#include <optional>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "labs/check/check.h"
#include "labs/check/sharpness.h"
#include "tests/unit/check/verdicts.h"

using namespace skbtrail;
using Catch::Matchers::ContainsSubstring;
using labs::Cause;
using labs::Outcome;
using test::call;
using test::divergence;
using test::expect;

namespace {

/// A poll with a budget of 64 that received twelve.
chain::Recording poll_recording(std::optional<std::uint32_t> work = 12) {
    auto recording = test::record({call("virtnet_poll", {call("napi_complete_done")})});
    chain::Call& poll = recording.chains[0].root.calls[0];
    poll.budget = 64;
    poll.calls[0].work = work;
    return recording;
}

labs::Expectation polls(const std::string& budget, const std::string& work) {
    return expect(R"("calls":[{"call":"virtnet_poll","budget":)" + budget +
                  R"(,"calls":[{"call":"napi_complete_done","work":)" + work + "}]}]");
}

}  // namespace

TEST_CASE("a poll has the budget and the work that the step says") {
    CHECK(labs::check(poll_recording(), polls("64", "12")).outcome == Outcome::passed);
    CHECK(labs::check(poll_recording(0), polls("64", "0")).outcome == Outcome::passed);
    const auto work = divergence(poll_recording(), polls("64", "13"));
    CHECK(work.cause == Cause::other_poll);
    CHECK(work.expected == "napi_complete_done with work 13");
    CHECK(work.came == "napi_complete_done with work 12");
    CHECK_THAT(work.explanation, ContainsSubstring("work 12"));
    const auto budget = divergence(poll_recording(), polls("300", "12"));
    CHECK(budget.cause == Cause::other_poll);
    CHECK(budget.expected == "virtnet_poll with budget 300");
    CHECK(budget.came == "virtnet_poll with budget 64");
}

TEST_CASE("what was not recorded of a poll is not as expected, but where nobody could see it") {
    auto recording = poll_recording(std::nullopt);
    const auto d = divergence(recording, polls("64", "0"));
    CHECK(d.cause == Cause::other_poll);
    CHECK(d.came == "napi_complete_done with neither a budget nor work recorded");
    recording.observed.unavailable.push_back(
        {"napi_complete_done", "what it is given is not recorded"});
    CHECK(labs::check(recording, polls("64", "0")).outcome == Outcome::passed);
}

TEST_CASE("sharpness is whether another budget or other work is noticed") {
    const auto exact = labs::measure_sharpness(poll_recording(), polls("64", "12"));
    const auto plain = labs::measure_sharpness(
        poll_recording(),
        expect(R"("calls":[{"call":"virtnet_poll","calls":["napi_complete_done"]}])"));
    CHECK(exact.tried == plain.tried + 2);
    CHECK(exact.survivors.size() == plain.survivors.size());
}

TEST_CASE("a poll's figures are numbers, and only a call has them") {
    CHECK_THROWS_AS(polls("-1", "0"), chain::FormatError);
    CHECK_THROWS_AS(polls("64", "\"12\""), chain::FormatError);
    CHECK_THROWS_AS(expect(R"("calls":[{"any_of":["a","b"],"work":1}])"), chain::FormatError);
}
