// Where a chain ran, and which queue a packet took.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "labs/check/check.h"
#include "tests/unit/check/verdicts.h"

using namespace skbtrail;
using Catch::Matchers::ContainsSubstring;
using labs::Cause;
using labs::Outcome;
using test::call;

namespace {

/// One chain, on `cpu`, with a packet in `queue`.
chain::Recording record(unsigned cpu, std::uint16_t queue) {
    auto recording = test::RecordingBuilder()
                         .traceable("b")
                         .packet(1, {{"icmp.type", "echo-reply"}})
                         .chain(call("root", {call("a").skb(1)}))
                         .build();
    recording.chains[0].cpu = cpu;
    recording.chains[0].root.calls[0].skbs[0].queue = queue;
    return recording;
}

}  // namespace

TEST_CASE("a chain may have to begin on one processor") {
    const auto expectation =
        test::expect(R"("packet":{"icmp.type":"echo-reply"},"cpu":1,"calls":["a"])");
    CHECK(labs::check(record(1, 0), expectation).outcome == Outcome::passed);

    const auto verdict = labs::check(record(3, 0), expectation);
    CHECK(verdict.outcome == Outcome::diverged);
    const auto& divergence = verdict.chains.at(0).divergence.value();
    CHECK(divergence.cause == Cause::no_chain);
    CHECK_THAT(divergence.expected, ContainsSubstring("on cpu1"));
    CHECK_THAT(divergence.explanation, ContainsSubstring("it came on cpu3 only"));

    // Another packet's chain is not the one that was looked for.
    const auto none = test::expect(R"("packet":{"icmp.type":"echo-reply"},"cpu":1,"calls":["b"])");
    CHECK(labs::check(record(1, 0), none).chains.at(0).divergence->cause == Cause::not_called);
    CHECK_THROWS_WITH(test::expect(R"("cpu":-1)"), ContainsSubstring("/chains/0/cpu"));
    CHECK_THROWS_WITH(test::expect(R"("cpu":"1")"), ContainsSubstring("/chains/0/cpu"));
}

TEST_CASE("an sk_buff has a queue") {
    const auto expectation = test::expect(
        R"("packet":{"icmp.type":"echo-reply"},"bind":"p",
           "calls":[{"call":"a","packet":"p","skb":{"queue":2}}])");
    CHECK(labs::check(record(0, 2), expectation).outcome == Outcome::passed);
    const auto verdict = labs::check(record(0, 1), expectation);
    REQUIRE(verdict.chains.at(0).divergence);
    CHECK(verdict.chains[0].divergence->cause == Cause::other_skb);
    CHECK(verdict.chains[0].divergence->expected == "a with queue 2");
    CHECK(verdict.chains[0].divergence->came == "a with queue 1");
}

TEST_CASE("a call that is deep below, with another sk_buff than expected, is told") {
    auto recording = test::RecordingBuilder()
                         .packet(1, {{"icmp.type", "echo-reply"}})
                         .packet(2, {{"icmp.type", "echo-request"}})
                         .chain(call("root", {call("b", {call("a").skb(1)})}))
                         .build();
    const auto told = [&recording](const char* skb, const char* packet) {
        const auto verdict = labs::check(
            recording,
            test::expect(std::string(R"("packet":{"icmp.type":")") + packet +
                         R"("},"bind":"p","calls":[{"somewhere":{"call":"a","packet":"p")" + skb +
                         "}}]"));
        CHECK(verdict.outcome == Outcome::diverged);
        return verdict.chains.at(0).divergence.value();
    };
    const auto queue = told(R"(,"skb":{"queue":2})", "echo-reply");
    CHECK(queue.cause == Cause::other_skb);
    CHECK(queue.came == "a with queue 0");
    recording.chains[0].root.skbs = {recording.chains[0].root.calls[0].calls[0].skbs[0]};
    recording.chains[0].root.skbs[0].packet = 2;
    const auto packet = told("", "echo-request");
    CHECK(packet.cause == Cause::other_packet);
    CHECK(packet.came == "a for another packet");
}
