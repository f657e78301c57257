// Every keyword of the language, on lists as small as they can be: one expected chain from `root`,
// one recorded chain, does it pass?
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "labs/check/check.h"
#include "labs/check/expectation_json.h"
#include "tests/unit/recording_builder.h"

using namespace skbtrail;
using test::call;
using test::CallBuilder;

namespace {

labs::Expectation expect_calls(const std::string& calls, const std::string& more = "") {
    return labs::parse_expectation(
        R"({"format":"skbtrail-expectation","version":1,"chains":[{"name":"c","root":"root",)"
        R"("calls":)" +
        calls + more + "}]}");
}

struct Case {
    const char* calls;                ///< the expectation's list below the root
    std::vector<CallBuilder> passes;  ///< below the root of the recording
    std::vector<std::vector<CallBuilder>> fails;
};

labs::Outcome judge(const std::string& calls, const std::vector<CallBuilder>& below) {
    const auto recording = test::RecordingBuilder().chain(call("root", below)).build();
    return labs::check(recording, expect_calls(calls)).outcome;
}

std::string text_of(const std::vector<CallBuilder>& calls) {
    std::string text;
    for (const CallBuilder& c : calls) text += c.value().function + " ";
    return text;
}

}  // namespace

TEST_CASE("a part that a compiler split off belongs to its function") {
    const std::string steps = R"([{"call":"a","calls":["b","c"]}])";
    CHECK(judge(steps, {call("a", {call("a.part.0", {call("b"), call("c")})})}) ==
          labs::Outcome::passed);
    CHECK(judge(steps, {call("a", {call("b"), call("a.part.0.isra.0", {call("c")})})}) ==
          labs::Outcome::passed);
    CHECK(judge(steps, {call("a", {call("a.part.0", {call("c"), call("b")})})}) ==
          labs::Outcome::diverged);
    CHECK(judge(steps, {call("a", {call("x.part.0", {call("b"), call("c")})})}) ==
          labs::Outcome::diverged);
    CHECK(judge(steps, {call("a", {call("a", {call("b"), call("c")})})}) ==
          labs::Outcome::diverged);
}

TEST_CASE("a list of calls is as the steps say") {
    const Case c = GENERATE(values<Case>({
        {R"([])", {}, {{call("a")}}},
        {R"(["a"])",
         {call("a")},
         {{}, {call("b")}, {call("a"), call("a")}, {call("a"), call("b")}}},
        {R"(["a","b"])",
         {call("a"), call("b")},
         {{call("b"), call("a")}, {call("a")}, {call("b")}}},
        {R"(["..."])", {call("a"), call("b")}, {}},
        {R"(["...","b"])", {call("a"), call("b")}, {{call("b"), call("a")}, {call("a")}}},
        {R"(["...","b"])", {call("b"), call("a"), call("b")}, {{}}},
        {R"(["a","...","b"])", {call("a"), call("b")}, {{call("b"), call("a")}}},
        {R"(["a","...","a","b"])",
         {call("a"), call("a"), call("c"), call("a"), call("b")},
         {{call("a"), call("b")}}},
        {R"([{"call":"a","optional":true},"b"])", {call("b")}, {{call("a")}, {}}},
        {R"([{"call":"a","optional":true},"b"])",
         {call("a"), call("b")},
         {{call("a"), call("a"), call("b")}}},
        {R"([{"call":"a","optional":true},"a"])", {call("a")}, {{}}},
        {R"([{"call":"a","optional":true},"a"])",
         {call("a"), call("a")},
         {{call("a"), call("a"), call("a")}}},
        {R"([{"call":"a","count":2}])", {call("a"), call("a")}, {{call("a")}}},
        {R"([{"call":"a","count":{"min":1}}])", {call("a"), call("a"), call("a")}, {{}}},
        {R"([{"call":"a","count":{"min":0}},"b"])", {call("b")}, {{call("a")}}},
        {R"([{"call":"a","count":{"min":0}},"a","a"])",
         {call("a"), call("a"), call("a")},
         {{call("a")}}},
        {R"([{"call":"a","count":{"min":2,"max":3}},"a","b"])",
         {call("a"), call("a"), call("a"), call("b")},
         {{call("a"), call("a"), call("b")},
          {call("a"), call("a"), call("a"), call("a"), call("a"), call("b")}}},
        {R"([{"any_of":["a","b"]}])", {call("b")}, {{}, {call("c")}, {call("a"), call("b")}}},
        {R"([{"any_of":[["a","b"],["c"]]},"d"])",
         {call("a"), call("b"), call("d")},
         {{call("a"), call("d")}, {call("a"), call("c"), call("d")}}},
        {R"([{"any_of":[["a"],["a","b"]]},"b"])",
         {call("a"), call("b")},
         {{call("a")}, {call("a"), call("b"), call("b"), call("b")}}},
        {R"([{"any_of":["a",["b","c"]],"count":{"min":1}}])",
         {call("b"), call("c"), call("a"), call("b"), call("c")},
         {{}, {call("b")}, {call("a"), call("c")}}},
        {R"([{"any_of":["a","b"],"count":{"min":2}}])",
         {call("b"), call("a"), call("b")},
         {{call("a")}}},
        {R"([{"any_of":[[{"call":"a","optional":true}],"b"],"count":{"min":1}},"c"])",
         {call("c")},
         {{call("d"), call("c")}}},
        {R"([{"any_of":["a","b"],"optional":true},"c"])", {call("c")}, {{call("a")}}},
        {R"([{"unordered":["a","b","c"]}])",
         {call("c"), call("a"), call("b")},
         {{call("a"), call("b")}, {call("a"), call("b"), call("b"), call("c")}}},
        {R"([{"unordered":["a",{"call":"b","optional":true}]}])", {call("a")}, {{call("b")}}},
        {R"([{"unordered":["a","b","..."]},"z"])",
         {call("x"), call("b"), call("y"), call("a"), call("x"), call("z")},
         {{call("b"), call("z")}}},
        {R"([{"unordered":["a",{"call":"b","count":{"min":2}}]}])",
         {call("b"), call("b"), call("b"), call("a")},
         {{call("b"), call("a")}, {call("b"), call("a"), call("b")}}},
        {R"([{"unordered":[{"any_of":["a","b"]},"a"]}])",
         {call("a"), call("b")},
         {{call("b"), call("b")}}},
        {R"([{"somewhere":"d"}])",
         {call("a", {call("b", {call("d")})})},
         {{}, {call("a", {call("b")})}}},
        {R"(["a",{"somewhere":"d"},"z"])",
         {call("a"), call("b"), call("c", {call("d")}), call("e"), call("z")},
         {{call("a", {call("d")}), call("z")}, {call("a"), call("z", {call("d")})}}},
        {R"([{"somewhere":["d","e"]}])",
         {call("a", {call("d", {call("e")})})},
         {{call("a", {call("e"), call("d")})}}},
        {R"([{"somewhere":{"call":"d","calls":["e"]}}])",
         {call("a", {call("d"), call("b", {call("d", {call("e")})})})},
         {{call("a", {call("d"), call("e")})}}},
        {R"([{"somewhere":{"any_of":["d","f"]}}])", {call("a", {call("f")})}, {{call("a")}}},
        {R"([{"call":"a","calls":["b"]}])",
         {call("a", {call("b", {call("c")})})},
         {{call("a")}, {call("a"), call("b")}, {call("a", {call("b"), call("c")})}}},
        {R"([{"call":"a","calls":[]}])", {call("a")}, {{call("a", {call("b")})}}},
        {R"(["...",{"call":"a","calls":["b"]},"..."])",
         {call("a"), call("a", {call("b")}), call("a")},
         {{call("a"), call("a", {call("c")})}}},
        {R"(["a"])", {call("a.isra.0")}, {{call("a.b")}}},
        {R"(["a.constprop.0"])", {call("a.part.0.cold")}, {{call("b.part.0")}}},
        {R"(["a"])", {call("_raw_spin_lock"), call("a"), call("kfree")}, {{call("kfree")}}},
        {R"(["a","kfree"])", {call("a"), call("kfree")}, {{call("a")}}},
        {R"([{"call":"a","when":{"kernel":">=7.0"}},"b"])", {call("b")}, {{call("a"), call("b")}}},
        {R"([{"call":"a","when":{"kernel":["6.12"]}},"b"])", {call("a"), call("b")}, {{call("b")}}},
        {R"([{"any_of":[{"call":"a","when":{"kernel":"<6.0"}},"b"]}])",
         {call("b")},
         {{call("a")}, {}}},
    }));
    INFO(c.calls);
    CHECK(judge(c.calls, c.passes) == labs::Outcome::passed);
    for (const auto& below : c.fails) {
        INFO("recorded: " << text_of(below));
        CHECK(judge(c.calls, below) == labs::Outcome::diverged);
    }
}

TEST_CASE("a chain may come as often as the expectation says") {
    const auto times = [](int n) {
        test::RecordingBuilder builder;
        for (int i = 0; i < n; ++i) builder.chain(call("root", {call("a")}));
        builder.chain(call("root", {call("b")}));
        return builder.build();
    };
    const auto outcome = [&](int n, const std::string& count) {
        const auto expectation = expect_calls(R"(["a"])", ",\"count\":" + count);
        return labs::check(times(n), expectation).outcome;
    };
    CHECK(outcome(2, "2") == labs::Outcome::passed);
    CHECK(outcome(1, "2") == labs::Outcome::diverged);
    CHECK(outcome(3, "2") == labs::Outcome::diverged);
    CHECK(outcome(3, R"({"min":1})") == labs::Outcome::passed);
    CHECK(outcome(0, R"({"min":0,"max":0})") == labs::Outcome::passed);
    CHECK(outcome(1, R"({"min":0,"max":0})") == labs::Outcome::diverged);
}

TEST_CASE("a function goes by any of its names") {
    const auto recording = test::RecordingBuilder().chain(call("root", {call("new_name")})).build();
    const auto expectation = labs::parse_expectation(
        R"({"format":"skbtrail-expectation","version":1,"aliases":{"old_name":["new_name"]},
            "chains":[{"name":"c","root":"root","calls":["old_name"]}]})");
    CHECK(labs::check(recording, expectation).outcome == labs::Outcome::passed);
}

TEST_CASE("an expectation can name more noise") {
    const auto recording =
        test::RecordingBuilder().chain(call("root", {call("a"), call("my_hook_7")})).build();
    const auto expectation = labs::parse_expectation(
        R"({"format":"skbtrail-expectation","version":1,"noise":["my_hook_*"],
            "chains":[{"name":"c","root":"root","calls":["a"]}]})");
    CHECK(labs::check(recording, expectation).outcome == labs::Outcome::passed);
    CHECK(labs::check(recording, expect_calls(R"(["a"])")).outcome == labs::Outcome::diverged);
}

TEST_CASE("ambiguous lists of many calls are judged without trying every reading") {
    std::vector<CallBuilder> calls;
    for (int i = 0; i < 20'000; ++i) calls.push_back(call(i % 3 == 0 ? "b" : "a"));
    const auto recording = test::RecordingBuilder().chain(call("root", calls)).build();
    const auto [list, outcome] = GENERATE(table<const char*, labs::Outcome>({
        {R"([{"any_of":["a","b"],"count":{"min":1}}])", labs::Outcome::passed},
        {R"(["...","b","...","a","...","b","...","zz"])", labs::Outcome::diverged},
        {R"([{"any_of":[["b","a","a"],["b","c"]],"count":{"min":1}},"..."])",
         labs::Outcome::passed},
        {R"([{"any_of":[["..."],["...","a"],["a","..."]],"count":{"min":1}},"zz"])",
         labs::Outcome::diverged},
        {R"([{"any_of":[["..."],["...","a"]],"count":10000},"..."])", labs::Outcome::passed},
        {R"(["...",{"unordered":["a","b","...","c","d","e","f","g"]}])", labs::Outcome::diverged},
        {R"([{"call":"b","optional":true},{"any_of":["a","b"],"count":{"min":5,"max":9000}},"..."])",
         labs::Outcome::passed},
        {R"([{"somewhere":"a"},{"somewhere":"b"},{"somewhere":["a","b","zz"]}])",
         labs::Outcome::diverged},
    }));
    INFO(list);
    CHECK(labs::check(recording, expect_calls(list)).outcome == outcome);
}

TEST_CASE("deep choices within choices are judged without trying every reading") {
    // Each level doubles the readings: 2^40 of them.
    std::string list = "\"x\"";
    CallBuilder recorded = call("y");
    for (int i = 0; i < 40; ++i) {
        const std::string step = R"({"call":"f","calls":[)" + list + "]}";
        list = R"({"any_of":[)" + step + "," + step + "]}";
        if (list.size() > 200'000) break;
        recorded = call("f", {recorded});
    }
    const auto recording = test::RecordingBuilder().chain(call("root", {recorded})).build();
    CHECK(labs::check(recording, expect_calls("[" + list + "]")).outcome ==
          labs::Outcome::diverged);
}

TEST_CASE("a call that may be inlined is there, or its calls are in its place") {
    const std::string step = R"(["a",{"call":"i","may_inline":true,"calls":["b","c"]},"d"])";
    const CallBuilder a = call("a");
    const CallBuilder b = call("b");
    const CallBuilder c = call("c");
    const CallBuilder d = call("d");
    CHECK(judge(step, {a, call("i", {b, c}), d}) == labs::Outcome::passed);
    CHECK(judge(step, {a, b, c, d}) == labs::Outcome::passed);
    CHECK(judge(step, {a, d}) == labs::Outcome::diverged);
    CHECK(judge(step, {a, b, d}) == labs::Outcome::diverged);
    CHECK(judge(step, {a, call("i", {b}), c, d}) == labs::Outcome::diverged);
    CHECK(judge(step, {a, call("i"), b, c, d}) == labs::Outcome::diverged);
    CHECK(judge(step, {a, call("i", {b, c}), b, c, d}) == labs::Outcome::diverged);

    const std::string optional =
        R"(["a",{"call":"i","may_inline":true,"optional":true,"calls":["b"]}])";
    CHECK(judge(optional, {a}) == labs::Outcome::passed);
    CHECK(judge(optional, {a, b}) == labs::Outcome::passed);
    CHECK(judge(optional, {a, call("i", {b})}) == labs::Outcome::passed);
    CHECK(judge(optional, {a, call("i", {c})}) == labs::Outcome::diverged);
}

TEST_CASE("forty calls inside each other that may all be inlined are no problem") {
    std::string steps = R"(["z"])";
    std::vector<CallBuilder> calls = {call("z")};
    for (int depth = 0; depth < 40; ++depth) {
        const std::string name = "f" + std::to_string(depth);
        steps = R"([{"call":")" + name + R"(","may_inline":true,"calls":)" + steps + "}]";
        if (depth % 2 == 0) calls = {call(name, calls)};
    }
    CHECK(judge(steps, calls) == labs::Outcome::passed);
    CHECK(judge(steps, {call("y")}) == labs::Outcome::diverged);
}

TEST_CASE("a fragment stands where it is used, for the packet that is named there") {
    const auto expectation = labs::parse_expectation(R"({
      "format": "skbtrail-expectation", "version": 1,
      "packets": {"answer": {"icmp.type": "echo-reply"}},
      "fragments": {"out": ["x", {"call": "xmit", "packet": "$packet"}], "both": [{"use": "out", "packet": "$packet"}]},
      "chains": [{"name": "c", "root": "root", "calls": ["a", {"use": "both", "packet": "answer"}, "b"]}]})");
    const auto judge_packet = [&](const char* type) {
        const auto recording =
            test::RecordingBuilder()
                .packet(1, {{"icmp.type", type}})
                .chain(call("root", {call("a"), call("x"), call("xmit").skb(1), call("b")}))
                .build();
        return labs::check(recording, expectation).outcome;
    };
    CHECK(judge_packet("echo-reply") == labs::Outcome::passed);
    CHECK(judge_packet("echo-request") == labs::Outcome::diverged);
}

TEST_CASE("a fragment takes the steps of the place that uses it, through other fragments too") {
    const std::string top = R"({
      "format": "skbtrail-expectation", "version": 1,
      "fragments": {"in": ["x", {"call": "rcv", "calls": ["$calls"]}],
                    "far in": [{"call": "poll", "calls": [{"use": "in", "calls": ["$calls", "z"]}]}]},
      "chains": [{"name": "c", "root": "root", "calls": [{"use": "far in")";
    const auto passes = [&](const std::string& calls, const std::vector<CallBuilder>& came) {
        const auto recording =
            test::RecordingBuilder()
                .chain(call("root", {call("poll", {call("x"), call("rcv", came)})}))
                .build();
        return labs::check(recording, labs::parse_expectation(top + calls + "}]}]}")).outcome ==
               labs::Outcome::passed;
    };
    CHECK(passes(R"(,"calls":["y"])", {call("y"), call("z")}));
    CHECK_FALSE(passes(R"(,"calls":["y"])", {call("w"), call("z")}));
    CHECK_FALSE(passes(R"(,"calls":["y"])", {call("z")}));
    CHECK(passes(R"(,"calls":[])", {call("z")}));
    CHECK_FALSE(passes(R"(,"calls":[])", {call("y"), call("z")}));
    // Nothing said: anything may be there.
    CHECK(passes("", {call("y"), call("w"), call("z")}));
    CHECK_FALSE(passes("", {call("y")}));
}

TEST_CASE("an expectation's own fragment goes before a common one, also inside common ones") {
    const auto outcome = [](const std::string& own) {
        const auto recording =
            test::RecordingBuilder()
                .chain(call("root", {call("gro_normal_list",
                                          {call("netif_receive_skb_list_internal", {call("x")})})}))
                .build();
        return labs::check(recording, labs::parse_expectation(
                                          R"({"format":"skbtrail-expectation","version":1,)" + own +
                                          R"("chains":[{"name":"c","root":"root",
                                                       "calls":[{"use":"up the list path"}]}]})"))
            .outcome;
    };
    CHECK(outcome("") == labs::Outcome::diverged);
    CHECK(outcome(R"("fragments":{"up the list path":["gro_normal_list"]},)") ==
          labs::Outcome::passed);
}
