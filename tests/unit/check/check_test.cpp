// Verdicts: what passes, what does not, and what is said about it.
#include "labs/check/check.h"

#include <set>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "labs/check/expectation_json.h"
#include "tests/unit/recording_builder.h"
#include "tests/unit/schema_check.h"

using namespace skbtrail;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::Equals;
using labs::Cause;
using labs::Outcome;
using test::call;
using test::CallBuilder;

namespace {

labs::Expectation parse(const std::string& members) {
    return labs::parse_expectation(R"({"format":"skbtrail-expectation","version":1,)" + members +
                                   "}");
}

/// One chain from "root", with more members.
labs::Expectation expect(const std::string& members, const std::string& top = "") {
    return parse(top + R"("chains":[{"name":"c","root":"root",)" + members + "}]");
}

labs::Divergence divergence(const chain::Recording& recording,
                            const labs::Expectation& expectation) {
    const labs::Verdict verdict = labs::check(recording, expectation);
    REQUIRE(verdict.chains.at(0).divergence);
    return *verdict.chains[0].divergence;
}

std::string path_text(const labs::Divergence& d) {
    std::string text;
    for (const std::string& name : d.path) text += (text.empty() ? "" : " ") + name;
    return text;
}

chain::Recording record(std::vector<CallBuilder> below) {
    return test::RecordingBuilder()
        .traceable("never_called")
        .chain(call("root", std::move(below)))
        .build();
}

}  // namespace

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

TEST_CASE("steps can want one packet") {
    const auto expectation = parse(
        R"("chains":[{"name":"c","root":"root","packet":{"icmp.type":"echo-*"},"bind":"p",
            "calls":[{"call":"a","packet":"p"},{"call":"b","packet":"p"}]}])");
    const auto recording_with = [](CallBuilder a, CallBuilder b) {
        return test::RecordingBuilder()
            .packet(1, {{"icmp.type", "echo-reply"}})
            .packet(2, {{"icmp.type", "echo-reply"}})
            .packet(3, {{"icmp.type", "destination-unreachable"}})
            .packet(4)
            .edge(1, "expand_head", 4)
            .chain(call("root", {std::move(a), std::move(b)}))
            .build();
    };
    const auto outcome = [&](CallBuilder a, CallBuilder b) {
        return labs::check(recording_with(std::move(a), std::move(b)), expectation).outcome;
    };
    CHECK(outcome(call("a").skb(1), call("b").skb(1)) == Outcome::passed);
    CHECK(outcome(call("a").skb(1), call("b", {call("x").skb(1)})) == Outcome::passed);
    CHECK(outcome(call("a").skb(1), call("b").skb(4)) == Outcome::passed);
    CHECK(outcome(call("a").skb(1), call("b").skb(2)) == Outcome::diverged);
    CHECK(outcome(call("a").skb(1), call("b")) == Outcome::diverged);
    CHECK(outcome(call("a").skb(3), call("b").skb(3)) == Outcome::diverged);

    const auto d = divergence(recording_with(call("a").skb(1), call("b").skb(2)), expectation);
    CHECK(d.cause == Cause::other_packet);
    CHECK(d.expected == "b for the packet \"p\"");
    CHECK(d.came == "b for another packet");
    CHECK(d.packet == 1U);
}

TEST_CASE("a call's sk_buff stands where the step says") {
    const auto expectation = parse(
        R"("chains":[{"name":"c","root":"root","packet":{"icmp.type":"echo-reply"},"bind":"p",
            "calls":[{"call":"a","packet":"p","skb":{"data":64,"len":98}}]}])");
    const auto recording_with = [](std::int64_t data, std::uint32_t len) {
        auto recording = test::RecordingBuilder()
                             .packet(1, {{"icmp.type", "echo-reply"}})
                             .chain(call("root", {call("a").skb(1)}))
                             .build();
        chain::SkbGeometry& skb = recording.chains[0].root.calls[0].skbs[0];
        skb.data = data;
        skb.len = len;
        return recording;
    };
    CHECK(labs::check(recording_with(64, 98), expectation).outcome == Outcome::passed);
    CHECK(labs::check(recording_with(64, 97), expectation).outcome == Outcome::diverged);
    const auto d = divergence(recording_with(78, 98), expectation);
    CHECK(d.cause == Cause::other_skb);
    CHECK(d.expected == "a with data 64, len 98");
    CHECK(d.came == "a with data 78, len 98");
    CHECK_THROWS_AS(parse(R"("chains":[{"name":"c","root":"root","calls":[
                        {"call":"a","skb":{"data":64}}]}])"),
                    chain::FormatError);
    CHECK_THROWS_AS(parse(R"("chains":[{"name":"c","root":"root","packet":{"a":"b"},"bind":"p",
                        "calls":[{"call":"a","packet":"p","skb":{"dat":64}}]}])"),
                    chain::FormatError);
}

TEST_CASE("what nobody could see a packet at is compared by its name") {
    const auto expectation = parse(
        R"("chains":[{"name":"c","root":"root","packet":{"icmp.type":"echo-reply"},"bind":"p",
            "calls":["a",{"call":"b","packet":"p"}]}])");
    const auto outcome = [&](CallBuilder b, const std::vector<std::string>& unavailable) {
        auto recording = test::RecordingBuilder()
                             .packet(1, {{"icmp.type", "echo-reply"}})
                             .packet(2, {{"icmp.type", "echo-request"}})
                             .chain(call("root", {call("a").skb(1), std::move(b)}))
                             .build();
        for (const std::string& function : unavailable) {
            recording.observed.unavailable.push_back({function, "its sk_buffs are not recorded"});
        }
        return labs::check(recording, expectation).outcome;
    };
    CHECK(outcome(call("b"), {}) == Outcome::diverged);
    CHECK(outcome(call("b"), {"b"}) == Outcome::passed);
    CHECK(outcome(call("b"), {"x"}) == Outcome::diverged);
    CHECK(outcome(call("b", {call("x")}), {"x"}) == Outcome::passed);
    CHECK(outcome(call("b", {call("x"), call("y").skb(1)}), {"x"}) == Outcome::passed);
    CHECK(outcome(call("b", {call("x"), call("y").skb(2)}), {"x"}) == Outcome::diverged);
    CHECK(outcome(call("b", {call("y").skb(2)}), {"b"}) == Outcome::passed);
    CHECK(outcome(call("c"), {"b", "c"}) == Outcome::diverged);
}

TEST_CASE("one chain may be the expected one for several packets") {
    const auto recording = test::RecordingBuilder()
                               .packet(1, {{"icmp.type", "echo-reply"}})
                               .packet(2, {{"icmp.type", "echo-reply"}})
                               .chain(call("root", {call("a").skb(1), call("a").skb(2)}))
                               .build();
    const auto expectation = parse(
        R"("chains":[{"name":"c","root":"root","packet":{"icmp.type":["echo-reply","x"]},"bind":"p",
            "count":2,"calls":["...",{"call":"a","packet":"p"},"..."]}])");
    const labs::Verdict verdict = labs::check(recording, expectation);
    CHECK(verdict.outcome == Outcome::passed);
    CHECK(verdict.chains[0].chains == std::vector<chain::ChainId>{1, 1});
    CHECK(verdict.chains[0].packets == std::vector<chain::PacketId>{1, 2});
}

TEST_CASE("a chain can be about the packet of one above") {
    const auto expectation = parse(
        R"("chains":[
            {"name":"sent","root":"send","packet":{"icmp.type":"echo-request"},"bind":"request"},
            {"name":"freed","root":"poll","packet":"request",
             "calls":[{"call":"free","packet":"request"}]}])");
    const auto recording_with = [](chain::PacketId freed) {
        return test::RecordingBuilder()
            .packet(1, {{"icmp.type", "echo-request"}})
            .packet(2, {{"icmp.type", "echo-reply"}})
            .chain(call("send", {call("x").skb(1)}))
            .chain(call("poll", {call("free").skb(freed)}))
            .build();
    };
    CHECK(labs::check(recording_with(1), expectation).outcome == Outcome::passed);
    const labs::Verdict verdict = labs::check(recording_with(2), expectation);
    CHECK(verdict.chains[0].outcome == Outcome::passed);
    CHECK(verdict.chains[1].outcome == Outcome::diverged);
    CHECK(verdict.chains[1].divergence->cause == Cause::no_chain);

    const auto unrelated = test::RecordingBuilder()
                               .packet(2, {{"icmp.type", "echo-reply"}})
                               .chain(call("poll", {call("free").skb(2)}))
                               .build();
    const labs::Verdict without = labs::check(unrelated, expectation);
    CHECK(without.chains[0].divergence->cause == Cause::no_packet);
    CHECK(without.chains[1].outcome == Outcome::not_judgeable);
    CHECK_THAT(without.chains[1].reason, ContainsSubstring("\"request\""));
}

TEST_CASE("a packet that has a name for all chains has to be there") {
    const auto recording = test::RecordingBuilder()
                               .packet(1, {{"icmp.type", "echo-request"}})
                               .chain(call("root", {call("a").skb(1)}))
                               .build();
    const auto expectation = [](const std::string& type) {
        return parse(R"("packets":{"p":{"icmp.type":")" + type + R"("}},
                        "chains":[{"name":"c","root":"root","packet":"p",
                                   "calls":[{"call":"a","packet":"p"}]}])");
    };
    CHECK(labs::check(recording, expectation("echo-request")).outcome == Outcome::passed);
    CHECK(divergence(recording, expectation("echo-reply")).cause == Cause::no_packet);
}

TEST_CASE("a missing packet or chain is explained") {
    const auto recording = test::RecordingBuilder()
                               .packet(1, {{"icmp.type", "echo-request"}})
                               .chain(call("root", {call("a")}))
                               .chain(call("other", {call("a").skb(1)}))
                               .build();
    const auto of = [&](const std::string& members) {
        return divergence(recording, parse(R"("chains":[{"name":"c",)" + members + "}]"));
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

TEST_CASE("what is forbidden must not come") {
    const auto recording =
        test::RecordingBuilder()
            .packet(1, {{"k", "v"}})
            .packet(2, {{"k", "w"}})
            .chain(call("root", {call("a", {call("kfree_skb_reason").skb(2)}).skb(1)}))
            .chain(call("other", {call("nf_hook_slow")}))
            .build();
    const auto of = [&](const std::string& members, const std::string& top = "") {
        return labs::check(recording, expect(members, top));
    };
    const auto forbidden = of(R"("forbid":["kfree_skb*"])");
    CHECK(forbidden.outcome == Outcome::diverged);
    CHECK(forbidden.chains[0].divergence->cause == Cause::forbidden_call);
    CHECK(forbidden.chains[0].divergence->came == "kfree_skb_reason");
    CHECK(path_text(*forbidden.chains[0].divergence) == "root a");
    CHECK(of(R"("forbid":["nf_*"])").outcome == Outcome::passed);
    const std::string about = R"("packet":{"k":"v"},"bind":"p",)";
    CHECK(of(about + R"("forbid":[{"call":"kfree_skb_reason","packet":"p"}])").outcome ==
          Outcome::passed);
    CHECK(of(about + R"("forbid":[{"call":"a","packet":"p"}])").outcome == Outcome::diverged);

    // One that went wrong is not made good by another one that went well.
    const auto twice = test::RecordingBuilder()
                           .chain(call("root", {call("a")}))
                           .chain(call("root", {call("a", {call("bad")})}))
                           .build();
    CHECK(labs::check(twice, expect(R"("calls":["a"],"forbid":["bad"])")).outcome ==
          Outcome::diverged);

    const auto everywhere = of(R"("calls":["..."])", R"("forbid":["nf_*"],)");
    CHECK(everywhere.outcome == Outcome::diverged);
    CHECK(everywhere.forbidden.at(0).chain == 2U);
    CHECK(everywhere.chains[0].outcome == Outcome::passed);

    // What cannot be seen proves nothing by not being seen.
    for (const auto& verdict :
         {of(R"("forbid":["renamed"])"), of(R"("calls":["..."])", R"("forbid":["renamed"],)")}) {
        CHECK(verdict.outcome == Outcome::not_judgeable);
    }
    CHECK(of(R"("forbid":[{"call":"renamed","when":{"kernel":"<6.0"}}])").outcome ==
          Outcome::passed);
    CHECK(of(R"("forbid":["renamed"])", R"("aliases":{"renamed":["nf_hook_slow"]},)").outcome ==
          Outcome::passed);
}

TEST_CASE("something forbidden may have come unseen") {
    const auto recording = test::RecordingBuilder()
                               .traceable("bad")
                               .chain(call("root", {call("a").incomplete("overrun")}))
                               .build();
    CHECK(labs::check(recording, expect(R"("calls":["a"],"forbid":["bad"])")).outcome ==
          Outcome::not_judgeable);
    CHECK(labs::check(recording, expect(R"("calls":["a"])", R"("forbid":["bad"],)")).outcome ==
          Outcome::not_judgeable);
}

TEST_CASE("conditions decide what is expected") {
    struct Case {
        const char* when;
        const char* release;
        Outcome outcome;
    };
    const Case c = GENERATE(values<Case>({
        {R"({"kernel":">=6.12"})", "6.12.0", Outcome::passed},
        {R"({"kernel":">6.12"})", "6.12.5", Outcome::skipped},
        {R"({"kernel":"<=6.12"})", "6.12.5-amd64", Outcome::passed},
        {R"({"kernel":"<6.12.5"})", "6.12.5", Outcome::skipped},
        {R"({"kernel":"6.12"})", "6.12.5", Outcome::passed},
        {R"({"kernel":"6.1"})", "6.12.5", Outcome::skipped},
        {R"({"kernel":"!=6.1"})", "6.12.5", Outcome::passed},
        {R"({"kernel":">=6.2"})", "6.16-rc1", Outcome::passed},
        {R"({"kernel":[">=6.2","<6.9"]})", "6.12", Outcome::skipped},
        {R"({"kernel":">=6"})", "unknown", Outcome::not_judgeable},
        {R"({"config":{"CONFIG_A":"y"}})", "6.12", Outcome::passed},
        {R"({"config":{"CONFIG_A":"n"}})", "6.12", Outcome::skipped},
        {R"({"config":{"CONFIG_B":"y"}})", "6.12", Outcome::not_judgeable},
        {R"({"config":{"CONFIG_A":"n","CONFIG_B":"y"}})", "6.12", Outcome::skipped},
        {R"({"features":["mrg_rxbuf"]})", "6.12", Outcome::passed},
        {R"({"features":["!mrg_rxbuf"]})", "6.12", Outcome::skipped},
        {R"({"features":["guest_tso4"]})", "6.12", Outcome::skipped},
        {R"({"features":["!guest_tso4"]})", "6.12", Outcome::passed},
    }));
    INFO(c.when << " on " << c.release);
    auto recording = test::RecordingBuilder().kernel(c.release).chain(call("root")).build();
    recording.observed.config = {{"CONFIG_A", "y"}};
    recording.observed.interfaces = {{"eth0", 2, "", 1500, "virtio_net", {"mrg_rxbuf"}}};
    const labs::Verdict verdict = labs::check(recording, expect(std::string("\"when\":") + c.when));
    CHECK(labs::outcome_name(verdict.chains[0].outcome) == labs::outcome_name(c.outcome));
    CHECK(verdict.chains[0].reason.empty() == (c.outcome == Outcome::passed));
    // Nothing judged is nothing proved.
    CHECK((verdict.outcome == Outcome::passed) == (c.outcome == Outcome::passed));

    const labs::Verdict step = labs::check(
        recording, expect(R"("calls":[{"call":"x","when":)" + std::string(c.when) + "}]"));
    const Outcome wanted = c.outcome == Outcome::passed    ? Outcome::diverged
                           : c.outcome == Outcome::skipped ? Outcome::passed
                                                           : Outcome::not_judgeable;
    CHECK(labs::outcome_name(step.outcome) == labs::outcome_name(wanted));
}

TEST_CASE("features that were not recorded are not known") {
    const auto recording = test::RecordingBuilder().chain(call("root")).build();
    CHECK(labs::check(recording, expect(R"("when":{"features":["!mrg_rxbuf"]})")).outcome ==
          Outcome::not_judgeable);
}

TEST_CASE("a draft passes nothing") {
    const auto recording = test::RecordingBuilder().chain(call("root")).build();
    const labs::Verdict verdict =
        labs::check(recording, expect(R"("calls":[])", R"("draft":true,)"));
    CHECK(verdict.outcome == Outcome::not_judgeable);
    CHECK_THAT(verdict.reason, ContainsSubstring("draft"));
}

TEST_CASE("what diverged weighs more than what cannot be judged") {
    const auto recording = test::RecordingBuilder()
                               .chain(call("root", {call("a")}), 0)
                               .chain(call("other", {call("x")}), 1)
                               .loss("ring_buffer_overrun", 1, 1)
                               .build();
    const auto expectation = parse(R"("chains":[{"name":"a","root":"other"},
                                                {"name":"b","root":"root","calls":["other"]},
                                                {"name":"c","root":"x","when":{"kernel":"<5"}}])");
    const labs::Verdict verdict = labs::check(recording, expectation);
    CHECK(verdict.chains[0].outcome == Outcome::not_judgeable);
    CHECK(verdict.chains[1].outcome == Outcome::diverged);
    CHECK(verdict.outcome == Outcome::diverged);
    CHECK(verdict.count(Outcome::skipped) == 1);
}

TEST_CASE("verdicts are as their schema says") {
    const test::SchemaCheck schema("labs/check/verdict.schema.json");
    auto recording = test::RecordingBuilder()
                         .packet(1, {{"k", "v"}})
                         .traceable("never_called")
                         .chain(call("root", {call("a").skb(1)}))
                         .loss("probe_missed", 3)
                         .build();
    recording.observed.host["lab"] = "a-lab";
    const auto expectation = parse(
        R"("title":"t","forbid":["a"],"chains":[
            {"name":"1","root":"root"},
            {"name":"2","root":"root","packet":{"k":"v"},"calls":["never_called"]},
            {"name":"3","root":"root","when":{"kernel":"<5"}},
            {"name":"4","root":"gone"}])");
    const std::string text = labs::to_json(labs::check(recording, expectation));
    CHECK_THAT(schema.complaint(text), Equals(""));
    const auto document = nlohmann::json::parse(text);
    CHECK(document["lab"] == "a-lab");
    CHECK(document["outcome"] == "diverged");
    CHECK(document["chains"][0]["chains"] == nlohmann::json::array({1}));
    CHECK(document["chains"][2]["outcome"] == "skipped");
    CHECK(document["chains"][3]["divergence"]["cause"] == "cannot_be_seen");
    CHECK(document["forbidden"][0]["came"] == "a");
}

TEST_CASE("a chain can be about what became of a packet, and how it is related to others") {
    chain::Recording recording = test::RecordingBuilder()
                                     .packet(1, {{"udp.source", "7"}})
                                     .packet(2, {{"udp.source", "7"}})
                                     .edge(2, "fragment", 1)
                                     .chain(call("r", {call("a").skb(1)}))
                                     .chain(call("r", {call("b").skb(2)}))
                                     .build();
    recording.packets[0].fate = {"dropped", "udp_rcv", "NO_SOCKET"};
    const auto outcome = [&](const std::string& words, const std::string& step) {
        return labs::check(recording,
                           labs::parse_expectation(
                               R"({"format":"skbtrail-expectation","version":1,"chains":[)"
                               R"({"name":"c","root":"r","packet":{"udp.source":"7",)" +
                               words + R"(},"calls":[")" + step + R"("]}]})"))
            .outcome;
    };
    CHECK(outcome(R"("fate":"dropped","fate.reason":"NO_SOCKET")", "a") == labs::Outcome::passed);
    CHECK(outcome(R"("fate.function":"udp_*")", "a") == labs::Outcome::passed);
    CHECK(outcome(R"("fate.reason":"UDP_CSUM")", "a") == labs::Outcome::diverged);
    CHECK(outcome(R"("fate":"unknown")", "b") == labs::Outcome::passed);
    CHECK(outcome(R"("edge":"fragment")", "b") == labs::Outcome::passed);
    CHECK(outcome(R"("edge":"fragment")", "a") == labs::Outcome::diverged);
}
