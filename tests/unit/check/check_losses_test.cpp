// Verdicts: what a recording with losses, or without the packet, lets one say.
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "labs/check/check.h"
#include "tests/unit/check/verdicts.h"

using namespace skbtrail;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::Equals;
using labs::Cause;
using labs::Outcome;
using test::call;
using test::CallBuilder;
using test::divergence;
using test::expect;
using test::parse_members;

TEST_CASE("a missing packet or chain is explained") {
    const auto recording = test::RecordingBuilder()
                               .packet(1, {{"icmp.type", "echo-request"}})
                               .chain(call("root", {call("a")}))
                               .chain(call("other", {call("a").skb(1)}))
                               .build();
    const auto of = [&](const std::string& members) {
        return divergence(recording, parse_members(R"("chains":[{"name":"c",)" + members + "}]"));
    };
    const auto no_packet = of(R"("root":"root","packet":{"icmp.type":"echo-reply"})");
    CHECK(no_packet.cause == Cause::no_packet);
    CHECK(no_packet.expected == "a packet with icmp.type echo-reply");
    CHECK_THAT(of(R"("root":"root","packet":{"icmp.typ":"echo-reply"})").explanation,
               ContainsSubstring("did you mean \"icmp.type\"?"));
    const auto elsewhere = of(R"("root":"root","packet":{"icmp.type":"echo-request"})");
    CHECK(elsewhere.cause == Cause::no_chain);
    CHECK_THAT(elsewhere.explanation, Equals("the packet was handled in chains from other only"));
    CHECK_THAT(of(R"("root":"gone")").explanation, ContainsSubstring("gone cannot be seen"));
    CHECK_THAT(of(R"("root":"a")").explanation,
               Equals("nothing called a while the recording ran") || ContainsSubstring("chain"));
}

TEST_CASE("a recording with losses never passes where they could matter") {
    const auto expectation = expect(R"("calls":["a"])");
    const auto outcome = [&](const std::string& kind, std::uint64_t count,
                             std::optional<unsigned> cpu, const char* member = "") {
        const auto recording = test::RecordingBuilder()
                                   .packet(1, {{"k", "v"}})
                                   .chain(call("root", {call("a").skb(1)}), 1)
                                   .loss(kind, count, cpu)
                                   .build();
        return labs::check(recording, *member == 0 ? expectation : expect(member)).outcome;
    };
    CHECK(outcome("ring_buffer_overrun", 0, 1) == Outcome::passed);
    CHECK(outcome("ring_buffer_overrun", 1, 1) == Outcome::not_judgeable);
    CHECK(outcome("ring_buffer_overrun", 1, std::nullopt) == Outcome::not_judgeable);
    CHECK(outcome("ring_buffer_overrun", 1, 0) == Outcome::passed);
    CHECK(outcome("something_new", 1, 1) == Outcome::not_judgeable);
    // Which packet a call was given matters only to a chain that is about one.
    CHECK(outcome("probe_missed", 1, 1) == Outcome::passed);
    CHECK(outcome("probe_missed", 1, 1, R"("packet":{"k":"v"},"calls":["a"])") ==
          Outcome::not_judgeable);
    // One more may have come unseen, on any CPU.
    CHECK(outcome("ring_buffer_overrun", 1, 0, R"("calls":["a"],"count":1)") ==
          Outcome::not_judgeable);
    // What is missing may have been lost; what cannot be seen was not.
    CHECK(outcome("ring_buffer_overrun", 1, 1, R"("calls":["a","root"])") ==
          Outcome::not_judgeable);
    CHECK(outcome("ring_buffer_overrun", 1, 1, R"("calls":["a","gone"])") == Outcome::diverged);
    CHECK(outcome("ring_buffer_overrun", 1, 1, R"("packet":{"k":"w"})") == Outcome::not_judgeable);
}

TEST_CASE("a chain on another CPU proves it nevertheless") {
    const auto recording = test::RecordingBuilder()
                               .chain(call("root", {call("a")}), 0)
                               .chain(call("root", {call("a")}), 1)
                               .loss("ring_buffer_overrun", 4, 0)
                               .build();
    CHECK(labs::check(recording, expect(R"("calls":["a"])")).outcome == Outcome::passed);
}

TEST_CASE("a call that is marked incomplete spoils the lists above it only") {
    const auto outcome = [](CallBuilder a, const char* calls) {
        const auto recording =
            test::RecordingBuilder().chain(call("root", {std::move(a), call("b")})).build();
        return labs::check(recording, expect(std::string("\"calls\":") + calls)).outcome;
    };
    CHECK(outcome(call("a").incomplete("overrun"), R"(["a","b"])") == Outcome::passed);
    CHECK(outcome(call("a").incomplete("overrun"), R"([{"call":"a","calls":[]},"b"])") ==
          Outcome::not_judgeable);
    CHECK(outcome(call("a").incomplete("overrun"), R"([{"call":"a","calls":["b"]},"b"])") ==
          Outcome::not_judgeable);
    CHECK(outcome(call("a").incomplete("overrun"), R"(["a","b","a"])") == Outcome::diverged);

    const auto recording =
        test::RecordingBuilder().chain(call("root", {call("a")}).incomplete("overrun")).build();
    const labs::Verdict verdict = labs::check(recording, expect(R"("calls":["a","root"])"));
    CHECK(verdict.outcome == Outcome::not_judgeable);
    CHECK(verdict.chains[0].divergence->cause == Cause::lost);
    CHECK_THAT(verdict.chains[0].reason, Equals("calls below root may be missing: overrun"));
}
