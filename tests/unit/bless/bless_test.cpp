// Changes to an expectation: where they stand in its text, and that each is the one that a
// recording asks for.
#include <set>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <nlohmann/json.hpp>

#include "labs/bless/json_place.h"
#include "labs/bless/proposal.h"
#include "labs/check/check.h"
#include "labs/check/expectation_json.h"
#include "tests/unit/recording_builder.h"

namespace skbtrail::labs::bless {
namespace {

using Catch::Matchers::ContainsSubstring;
using test::call;
using test::RecordingBuilder;

constexpr const char* document = R"({
  "a/b": [1, "two", {"x": "}\"]", "y": [ ]}],
  "list": [
    {"call": "one"},
    {"call": "two", "calls": ["in", "out"]},
    "three"
  ]
})";

std::string at(const char* pointer) {
    const auto range = find_value(document, pointer);
    return range ? std::string(document).substr(range->begin, range->end - range->begin) : "none";
}

TEST_CASE("a JSON pointer finds its value in the text") {
    CHECK(at("/a~1b/0") == "1");
    CHECK(at("/a~1b/1") == "\"two\"");
    CHECK(at("/a~1b/2/x") == R"("}\"]")");
    CHECK(at("/a~1b/2/y") == "[ ]");
    CHECK(at("/list/1/calls/1") == "\"out\"");
    CHECK(at("") == document);
    for (const char* nowhere :
         {"/a", "/list/3", "/list/x", "/list/0/call/0", "list", "/a~1b/2/y/0"}) {
        CHECK(at(nowhere) == "none");
    }
}

TEST_CASE("elements come and go with their lines and commas") {
    const auto result = [](const std::optional<TextEdit>& edit) {
        REQUIRE(edit);
        const auto text = edited(document, *edit);
        REQUIRE(nlohmann::json::accept(text));
        return text;
    };
    CHECK_THAT(result(insert_before(document, "/list/1", "\"new\"")),
               ContainsSubstring("{\"call\": \"one\"},\n    \"new\",\n    {\"call\": \"two\""));
    CHECK_THAT(result(insert_before(document, "/list/1/calls/1", "\"new\"")),
               ContainsSubstring("[\"in\", \"new\", \"out\"]"));
    CHECK_THAT(result(insert_after(document, "/list/2", "\"new\"")),
               ContainsSubstring("    \"three\",\n    \"new\"\n  ]"));
    CHECK_THAT(result(remove_element(document, "/list/0")),
               ContainsSubstring("\"list\": [\n    {\"call\": \"two\""));
    CHECK_THAT(result(remove_element(document, "/list/2")),
               ContainsSubstring("[\"in\", \"out\"]}\n  ]"));
    CHECK_THAT(result(add_member(document, "/list/1", "optional", "true")),
               ContainsSubstring("{\"call\": \"two\", \"optional\": true, \"calls\""));
    CHECK_THAT(result(replace_value(document, "/list/1/call", "\"2\"")),
               ContainsSubstring("{\"call\": \"2\", \"calls\""));
    CHECK_FALSE(add_member(document, "/list/1", "calls", "[]"));
    CHECK_FALSE(add_member(document, "/list/2", "optional", "true"));
    CHECK_FALSE(remove_element(document, "/list/7"));
}

TEST_CASE("several edits at one place keep their order, whatever was removed there") {
    CHECK(edited("abc", {{1, 1, ""}, {1, 0, "x"}, {1, 0, "y"}, {0, 0, "("}}) == "(axyc");
}

// --- proposals ----------------------------------------------------------------------------------

constexpr const char* expectation = R"({
  "format": "skbtrail-expectation",
  "version": 1,
  "chains": [
    {
      "name": "a packet comes in",
      "root": "__napi_poll",
      "calls": [
        {"call": "virtnet_poll", "calls": [
          {"call": "eth_type_trans"},
          {"call": "ip_rcv", "calls": [
            "ip_rcv_core",
            {"call": "icmp_rcv"}
          ]},
          {"call": "napi_complete_done"}
        ]}
      ]
    }
  ]
})";

using Below = std::vector<test::CallBuilder>;

RecordingBuilder poll(Below of_poll) {
    RecordingBuilder builder;
    builder.chain(call("__napi_poll", {call("virtnet_poll", std::move(of_poll))}));
    for (const char* name :
         {"eth_type_trans", "ip_rcv", "ip_rcv_core", "icmp_rcv", "napi_complete_done"}) {
        builder.traceable(name);
    }
    return builder;
}

Below as_expected() {
    return {call("eth_type_trans"), call("ip_rcv", {call("ip_rcv_core"), call("icmp_rcv")}),
            call("napi_complete_done")};
}

std::set<std::size_t> all(const Proposal& proposal) {
    std::set<std::size_t> numbers;
    for (std::size_t i = 0; i < proposal.hunks.size(); ++i) numbers.insert(i);
    return numbers;
}

/// What is proposed makes the recording pass, and was necessary: without any one of the changes it
/// does not pass.
Proposal useful(const chain::Recording& recording) {
    auto proposal = propose(recording, expectation);
    CHECK(proposal.by_hand == std::vector<std::string>{});
    const auto outcome = [&](const std::set<std::size_t>& numbers) {
        return check(recording, parse_expectation(with_hunks(expectation, proposal, numbers)))
            .outcome;
    };
    CHECK(outcome(all(proposal)) == Outcome::passed);
    for (std::size_t i = 0; i < proposal.hunks.size(); ++i) {
        auto fewer = all(proposal);
        fewer.erase(i);
        CHECK(outcome(fewer) == Outcome::diverged);
    }
    CHECK(with_hunks(expectation, proposal, {}) == expectation);
    return proposal;
}

TEST_CASE("what is as expected asks for nothing") {
    CHECK(useful(poll(as_expected()).build()).hunks.empty());
}

TEST_CASE("a call more asks for a step more, at its place") {
    auto calls = as_expected();
    calls.insert(calls.begin() + 1, call("tcf_classify"));
    const auto proposal = useful(poll(calls).build());
    REQUIRE(proposal.hunks.size() == 1);
    CHECK(proposal.hunks[0].chain == "a packet comes in");
    CHECK(proposal.hunks[0].what == "virtnet_poll called tcf_classify: a step more");
    CHECK(lines_of(expectation, proposal.hunks[0]) ==
          std::vector<std::string>{"          {\"call\": \"virtnet_poll\", \"calls\": [",
                                   "            {\"call\": \"eth_type_trans\"},",
                                   "+           {\"call\": \"tcf_classify\"},",
                                   "            {\"call\": \"ip_rcv\", \"calls\": [",
                                   "              \"ip_rcv_core\","});
}

TEST_CASE("a call more at the end stands at the end") {
    auto calls = as_expected();
    calls.push_back(call("virtqueue_poll"));
    CHECK(useful(poll(calls).build()).hunks.size() == 1);
}

TEST_CASE("a call less asks for a step less") {
    const auto proposal = useful(
        poll({call("ip_rcv", {call("ip_rcv_core"), call("icmp_rcv")}), call("napi_complete_done")})
            .build());
    REQUIRE(proposal.hunks.size() == 1);
    CHECK_THAT(proposal.hunks[0].what, ContainsSubstring("did not call eth_type_trans"));
}

TEST_CASE("a function of another name keeps its steps") {
    const auto proposal = useful(
        poll({call("eth_type_trans"), call("ip_rcv_new", {call("ip_rcv_core"), call("icmp_rcv")}),
              call("napi_complete_done")})
            .build());
    REQUIRE(proposal.hunks.size() == 1);
    CHECK_THAT(proposal.hunks[0].what, ContainsSubstring("another name"));
    CHECK(proposal.hunks[0].edit.inserted == "\"ip_rcv_new\"");
}

TEST_CASE("several changes stand apart, and each can be left out") {
    CHECK(useful(poll({call("a_new_one"), call("another"), call("eth_type_trans"),
                       call("ip_rcv", {call("icmp_rcv"), call("ip_rcv_core")})})
                     .build())
              .hunks.size() >= 4);
}

TEST_CASE("what this kernel cannot show is not taken out") {
    RecordingBuilder builder;
    builder.chain(
        call("__napi_poll",
             {call("virtnet_poll", {call("ip_rcv", {call("ip_rcv_core"), call("icmp_rcv")}),
                                    call("napi_complete_done")})}));
    const auto proposal = useful(builder.build());
    REQUIRE(proposal.hunks.size() == 1);
    CHECK_THAT(proposal.hunks[0].what, ContainsSubstring("\"optional\""));
}

TEST_CASE("what is not about a step is left to people") {
    RecordingBuilder builder;
    builder.chain(call("__x64_sys_sendto"));
    const auto proposal = propose(builder.build(), expectation);
    CHECK(proposal.hunks.empty());
    REQUIRE(proposal.by_hand.size() == 1);
    CHECK_THAT(proposal.by_hand[0], ContainsSubstring("a packet comes in: "));
}

TEST_CASE("a call in front of a step that all labs share is left to people") {
    RecordingBuilder builder;
    builder.chain(call("r", {call("x"), call("virtqueue_notify", {call("vp_notify")}), call("y")}));
    const auto proposal =
        propose(builder.build(), R"({"format": "skbtrail-expectation", "version": 1, "chains": [
            {"name": "kicked", "root": "r", "calls": [{"use": "the kick"}, "y"]}]})");
    CHECK(proposal.hunks.empty());
    REQUIRE(proposal.by_hand.size() == 1);
    CHECK_THAT(proposal.by_hand[0], ContainsSubstring("r called x before virtqueue_notify"));
}

TEST_CASE("nothing is proposed from what lost something, or into a draft") {
    auto lossy = poll(as_expected());
    lossy.loss("ring_buffer_overrun", 3, 0U);
    CHECK_THAT(why_not(lossy.build(), expectation), ContainsSubstring("ring_buffer_overrun: 3"));
    auto calls = as_expected();
    calls.push_back(call("virtqueue_poll").incomplete("events were lost"));
    CHECK_THAT(why_not(poll(calls).build(), expectation), ContainsSubstring("chain 1"));
    const auto clean = poll(as_expected()).build();
    CHECK(why_not(clean, expectation).empty());
    auto draft = nlohmann::json::parse(expectation);
    draft["draft"] = true;
    CHECK_THAT(why_not(clean, draft.dump()), ContainsSubstring("draft"));
    CHECK_THROWS_AS(propose(clean, "{}"), chain::FormatError);
}

}  // namespace
}  // namespace skbtrail::labs::bless
