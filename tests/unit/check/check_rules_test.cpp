// Verdicts: what is forbidden, conditions, drafts, and the form of a verdict.
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "labs/check/check.h"
#include "tests/unit/check/verdicts.h"
#include "tests/unit/schema_check.h"

using namespace skbtrail;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::Equals;
using labs::Cause;
using labs::Outcome;
using test::call;
using test::CallBuilder;
using test::expect;
using test::parse_members;
using test::path_text;

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

TEST_CASE("a fragment is optional, or expected under a condition, as a whole") {
    const std::string fragment = R"("fragments":{"two":["a","b"]},)";
    const auto outcome = [&](const std::string& more, std::vector<CallBuilder> below) {
        const auto expectation = expect(R"("calls":[{"use":"two",)" + more + R"(},"c"])", fragment);
        return labs::check(record(std::move(below)), expectation).outcome;
    };
    const std::string optional = R"("optional":true)";
    CHECK(outcome(optional, {call("a"), call("b"), call("c")}) == Outcome::passed);
    CHECK(outcome(optional, {call("c")}) == Outcome::passed);
    CHECK(outcome(optional, {call("a"), call("c")}) == Outcome::diverged);

    const std::string later = R"("when":{"kernel":">=99.0"})";
    CHECK(outcome(later, {call("c")}) == Outcome::passed);
    CHECK(outcome(later, {call("a"), call("b"), call("c")}) == Outcome::diverged);
    const std::string always = R"("when":{"kernel":">=1.0"})";
    CHECK(outcome(always, {call("a"), call("b"), call("c")}) == Outcome::passed);
    CHECK(outcome(always, {call("c")}) == Outcome::diverged);
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
    const auto expectation = parse_members(R"("chains":[{"name":"a","root":"other"},
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
    const auto expectation = parse_members(
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
