// Verdicts: what diverges, where, and what is said about it.
#include "labs/check/check.h"

#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "tests/unit/check/verdicts.h"

using namespace skbtrail;
using Catch::Matchers::ContainsSubstring;
using labs::Cause;
using test::call;
using test::CallBuilder;
using test::divergence;
using test::expect;
using test::path_text;
using test::record;

TEST_CASE("a divergence names the place, what was expected and what came") {
    struct Case {
        const char* calls;
        std::vector<CallBuilder> below;
        Cause cause;
        const char* path;
        const char* expected;
        const char* came;
        const char* explanation;
    };
    const Case c = GENERATE(values<Case>({
        {R"(["a","never_called","b"])",
         {call("a"), call("b")},
         Cause::not_called,
         "root",
         "never_called",
         "b",
         "nothing in this recording called never_called, though it could have been seen"},
        {R"(["a","inlined_here"])",
         {call("a")},
         Cause::cannot_be_seen,
         "root",
         "inlined_here",
         "nothing more from root",
         "inlined_here cannot be seen on this kernel (6.12.38+deb12-cloud-amd64)"},
        {R"(["a","never_caled"])",
         {call("a")},
         Cause::cannot_be_seen,
         "root",
         "never_caled",
         "nothing more from root",
         "did you mean \"never_called\"?"},
        {R"(["a","b"])",
         {call("a"), call("x"), call("b")},
         Cause::unexpected_call,
         "root",
         "b",
         "x",
         "root called x before b, and no step allows that"},
        {R"(["a","b"])",
         {call("a"), call("b"), call("x")},
         Cause::unexpected_call,
         "root",
         "nothing more",
         "x",
         "root called x, and no step allows that here"},
        {R"(["a","b","d"])",
         {call("a"), call("d"), call("b")},
         Cause::other_order,
         "root",
         "b",
         "d",
         "root did call b, but later than expected"},
        {R"(["...","b","d"])",
         {call("d"), call("b")},
         Cause::other_order,
         "root",
         "d",
         "nothing more from root",
         "root did call d, but earlier than expected"},
        {R"([{"call":"a","calls":["b"]},"d"])",
         {call("a"), call("d", {call("b")})},
         Cause::other_parent,
         "root a",
         "b",
         "nothing: a made no call",
         "it was called by d, not by a: root → d → b"},
        {R"([{"call":"a","calls":[{"call":"b","calls":["d"]}]}])",
         {call("a", {call("b", {call("x")})})},
         Cause::cannot_be_seen,
         "root a b",
         "d",
         "x",
         "d cannot be seen"},
        {R"([{"any_of":["never_called","a"]},{"any_of":["never_called","x"]}])",
         {call("a"), call("b")},
         Cause::not_called,
         "root",
         "never_called or x",
         "b",
         "never_called"},
        {R"([{"call":"a","count":3}])",
         {call("a"), call("a")},
         Cause::not_called,
         "root",
         "a",
         "nothing more from root",
         "root called a 2 times, less often than expected"},
        {R"(["a",{"call":"never_called","optional":true},"b"])",
         {call("a"), call("x")},
         Cause::cannot_be_seen,
         "root",
         "never_called or b",
         "x",
         "b cannot be seen"},
        {R"(["a",{"call":"never_called","optional":true}])",
         {call("a"), call("x")},
         Cause::unexpected_call,
         "root",
         "never_called or nothing more",
         "x",
         "root called x"},
        {R"(["...",{"call":"a","calls":["b","never_called"]},"..."])",
         {call("a", {call("x")}), call("a", {call("b")}), call("a", {call("x")})},
         Cause::not_called,
         "root a",
         "never_called",
         "nothing more from a",
         "never_called"},
        {R"([{"somewhere":["a",{"call":"b","calls":["never_called"]}]}])",
         {call("a", {call("x", {call("b", {call("x")})})})},
         Cause::not_called,
         "root a x b",
         "never_called",
         "x",
         "never_called"},
        {R"([{"somewhere":"never_called"}])",
         {call("a")},
         Cause::not_called,
         "root",
         "never_called",
         "nothing more from root",
         "never_called"},
        {R"([{"unordered":["a","never_called"]}])",
         {call("a"), call("x")},
         Cause::not_called,
         "root",
         "never_called",
         "x",
         "never_called"},
        {R"(["a",{"call":"f","may_inline":true,"calls":["g"]}])",
         {call("a"), call("x"), call("f", {call("g")})},
         Cause::unexpected_call,
         "root",
         "f or g",
         "x",
         "root called x before f, and no step allows that"},
        {R"(["a",{"call":"n","optional":true},{"call":"f","may_inline":true,"calls":["g"]}])",
         {call("a"), call("x"), call("g")},
         Cause::unexpected_call,
         "root",
         "n or f or g",
         "x",
         "root called x before g, and no step allows that"},
        {R"([])",
         {call("a")},
         Cause::unexpected_call,
         "root",
         "nothing more",
         "a",
         "root called a"},
    }));
    INFO(c.calls);
    const auto d = divergence(record(c.below), expect(std::string("\"calls\":") + c.calls));
    CHECK(labs::cause_name(d.cause) == labs::cause_name(c.cause));
    CHECK(path_text(d) == c.path);
    CHECK(d.expected == c.expected);
    CHECK(d.came == c.came);
    CHECK_THAT(d.explanation, ContainsSubstring(c.explanation));
    CHECK_FALSE(d.next.empty());
    CHECK(d.place.starts_with("/chains/0"));
    CHECK(d.chain == 1U);
}

TEST_CASE("where a list is over the place is the step whose list it is") {
    const auto place = [](std::vector<CallBuilder> below, const std::string& calls) {
        return divergence(record(std::move(below)), expect("\"calls\":" + calls)).place;
    };
    const std::string inner = R"(["a",{"call":"b","calls":["c"]}])";
    CHECK(place({call("a"), call("b", {call("c"), call("x")})}, inner) == "/chains/0/calls/1");
    CHECK(place({call("a"), call("b", {call("c")}), call("x")}, inner) == "/chains/0");
    CHECK(place({call("b", {call("x")})}, R"([{"call":"b","calls":[]}])") == "/chains/0/calls/0");
    CHECK(place({call("b", {call("x")})}, R"([{"call":"b","may_inline":true,"calls":[]}])") ==
          "/chains/0/calls/0");
}

TEST_CASE("the best candidate is the one that went furthest") {
    const auto recording = test::RecordingBuilder()
                               .traceable("never_called")
                               .chain(call("root", {call("x")}))
                               .chain(call("root", {call("a", {call("b")}), call("x")}))
                               .chain(call("root", {call("a"), call("x")}))
                               .build();
    const auto d =
        divergence(recording, expect(R"("calls":[{"call":"a","calls":["b"]},"never_called"])"));
    CHECK(d.chain == 2U);
    CHECK(d.expected == "never_called");
    REQUIRE(d.lines.size() == 2);
    CHECK(d.lines[1].function == "a");
    CHECK_FALSE(d.lines[1].ancestor);
}

TEST_CASE("a call in another chain is named") {
    const auto recording = test::RecordingBuilder()
                               .chain(call("root", {call("a")}))
                               .chain(call("other", {call("x", {call("b")})}))
                               .build();
    const auto d = divergence(recording, expect(R"("calls":["a","b"])"));
    CHECK(d.cause == Cause::other_chain);
    CHECK_THAT(d.explanation, ContainsSubstring("it was called in chain 2 (root other)"));
}

TEST_CASE("a function that could not be attached to is named with the reason") {
    auto recording = record({call("a")});
    recording.observed.unavailable.push_back({"gone.isra.0", "it is marked notrace"});
    const auto d = divergence(recording, expect(R"("calls":["a","gone"])"));
    CHECK(d.cause == Cause::cannot_be_seen);
    CHECK_THAT(d.explanation, ContainsSubstring("it is marked notrace"));
}

TEST_CASE("a recording that does not say what it traced makes no claim about that") {
    auto recording = record({call("a")});
    recording.observed.traced.clear();
    CHECK(divergence(recording, expect(R"("calls":["a","b"])")).cause == Cause::not_called);
}

TEST_CASE("of chains that did as much of what was expected, the one that got furthest is shown") {
    const std::vector<CallBuilder> shorter = {call("a")};
    const std::vector<CallBuilder> longer = {call("a", {call("x")}), call("y")};
    const auto steps = R"("calls":["a","...","never_called"])";
    const auto recorded = [](const auto& first, const auto& second) {
        return test::RecordingBuilder()
            .traceable("never_called")
            .chain(call("root", first))
            .chain(call("root", second))
            .build();
    };
    CHECK(divergence(recorded(shorter, longer), expect(steps)).chain == 2);
    CHECK(divergence(recorded(longer, shorter), expect(steps)).chain == 1);
    // More of what was expected goes before more of anything.
    const std::vector<CallBuilder> better = {call("a"), call("b")};
    const auto more = R"("calls":["a",{"call":"b","optional":true},"...","never_called"])";
    CHECK(divergence(recorded(better, longer), expect(more)).chain == 1);
    CHECK(divergence(recorded(longer, better), expect(more)).chain == 2);
    // Nothing tells them apart.
    CHECK(divergence(recorded(shorter, shorter), expect(steps)).chain == 1);
}
