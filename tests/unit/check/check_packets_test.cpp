// Verdicts: what is expected of packets, of sk_buffs, and of chains about the same one.
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "labs/check/check.h"
#include "tests/unit/check/verdicts.h"

using namespace skbtrail;
using Catch::Matchers::ContainsSubstring;
using labs::Cause;
using labs::Outcome;
using test::call;
using test::CallBuilder;
using test::divergence;
using test::expect;
using test::parse_members;

TEST_CASE("steps can want one packet") {
    const auto expectation = parse_members(
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

TEST_CASE("a packet can be asked for by what the NIC saw of it") {
    auto recording = test::RecordingBuilder()
                         .packet(1, {{"udp.source", "5000"}})
                         .packet(2, {{"udp.source", "5000"}})
                         .chain(call("root", {call("a").skb(1)}))
                         .build();
    chain::RingEvent available;
    available.event = "available";
    available.queue = 1;
    available.packet = 1;
    chain::RingEvent used = available;
    available.descriptors.resize(2);
    used.event = "used";
    used.length = 80;
    recording.ring_events = {available, used};
    const auto outcome = [&](const std::string& words) {
        return labs::check(
                   recording,
                   parse_members(R"("chains":[{"name":"c","root":"root","packet":{)" + words +
                                 R"(},"bind":"p","calls":[{"call":"a","packet":"p"}]}])"))
            .outcome;
    };
    CHECK(outcome(R"("udp.source":"5000","ring.descriptors":"2")") == Outcome::passed);
    CHECK(outcome(R"("ring.queue":"1","ring.length":"80")") == Outcome::passed);
    CHECK(outcome(R"("ring.queue":["0","1"])") == Outcome::passed);
    CHECK(outcome(R"("ring.descriptors":"1")") == Outcome::diverged);
    CHECK(outcome(R"("ring.length":"81")") == Outcome::diverged);
    CHECK(outcome(R"("ring.queue":"0")") == Outcome::diverged);
    CHECK(outcome(R"("ring.nic":"0","ring.queue":"1")") == Outcome::passed);
    recording.ring_events[0].nic = 1;
    CHECK(outcome(R"("ring.nic":"0","ring.queue":"1")") == Outcome::diverged);
    CHECK(outcome(R"("ring.nic":"1","ring.queue":"1")") == Outcome::passed);
    // Neither the length of what was made available, nor a packet that no event carried.
    recording.ring_events = {available};
    CHECK(outcome(R"("ring.length":"*")") == Outcome::diverged);
    recording.ring_events[0].packet = 2;
    CHECK(outcome(R"("ring.queue":"1")") == Outcome::diverged);
}

TEST_CASE("a call's sk_buff stands where the step says") {
    const auto expectation = parse_members(
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
    CHECK_THROWS_AS(parse_members(R"("chains":[{"name":"c","root":"root","calls":[
                        {"call":"a","skb":{"data":64}}]}])"),
                    chain::FormatError);
    CHECK_THROWS_AS(
        parse_members(R"("chains":[{"name":"c","root":"root","packet":{"a":"b"},"bind":"p",
                        "calls":[{"call":"a","packet":"p","skb":{"dat":64}}]}])"),
        chain::FormatError);
}

TEST_CASE("what nobody could see a packet at is compared by its name") {
    const auto expectation = parse_members(
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
    const auto expectation = parse_members(
        R"("chains":[{"name":"c","root":"root","packet":{"icmp.type":["echo-reply","x"]},"bind":"p",
            "count":2,"calls":["...",{"call":"a","packet":"p"},"..."]}])");
    const labs::Verdict verdict = labs::check(recording, expectation);
    CHECK(verdict.outcome == Outcome::passed);
    CHECK(verdict.chains[0].chains == std::vector<chain::ChainId>{1, 1});
    CHECK(verdict.chains[0].packets == std::vector<chain::PacketId>{1, 2});
}

TEST_CASE("a chain can be about the packet of one above") {
    const auto expectation = parse_members(
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

TEST_CASE("where no packet is as was asked, the one that is nearly so is named") {
    auto recording = test::RecordingBuilder()
                         .packet(3, {{"tcp.source", "80"}, {"tcp.flags", "ACK"}})
                         .packet(9, {{"tcp.source", "80"}, {"tcp.flags", "RST"}})
                         .chain(call("root", {call("a").skb(3)}))
                         .build();
    recording.packets[0].fate.kind = "delivered";
    const auto d = [&](const std::string& words) {
        return divergence(recording, expect(R"("packet":{)" + words + "}"));
    };
    const auto by_fate = d(R"("tcp.source":"80","tcp.flags":"RST","fate":"consumed")");
    CHECK(by_fate.cause == Cause::no_packet);
    CHECK(by_fate.explanation == "packet #9 agrees in all but fate: its fate is unknown");
    CHECK_THAT(by_fate.next, ContainsSubstring("skbtrail show RECORDING --packet 9"));
    CHECK(d(R"("tcp.source":"80","fate.reason":"TCP_RST")").explanation ==
          "packet #3 agrees in all but fate.reason: it has no fate.reason");
    CHECK_THAT(d(R"("tcp.source":"80","tcp.flags":"SYN","fate":"dropped")").explanation,
               ContainsSubstring("#3 comes nearest: its fate is delivered, its tcp.flags is ACK"));
    // Nothing is near what agrees in nothing, and a slip in a word is the better sentence.
    CHECK(d(R"("tcp.flags":"SYN")").explanation.ends_with("takes an sk_buff"));
    CHECK_THAT(d(R"("tcp.source":"80","tcp.flasg":"RST")").explanation,
               ContainsSubstring("did you mean \"tcp.flags\"?"));
    CHECK_THAT(d(R"("udp.sorce":"80")").explanation,
               ContainsSubstring("did you mean \"udp.source\"?"));
}

TEST_CASE("a packet that has a name for all chains has to be there") {
    const auto recording = test::RecordingBuilder()
                               .packet(1, {{"icmp.type", "echo-request"}})
                               .chain(call("root", {call("a").skb(1)}))
                               .build();
    const auto expectation = [](const std::string& type) {
        return parse_members(R"("packets":{"p":{"icmp.type":")" + type + R"("}},
                        "chains":[{"name":"c","root":"root","packet":"p",
                                   "calls":[{"call":"a","packet":"p"}]}])");
    };
    CHECK(labs::check(recording, expectation("echo-request")).outcome == Outcome::passed);
    CHECK(divergence(recording, expectation("echo-reply")).cause == Cause::no_packet);
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
