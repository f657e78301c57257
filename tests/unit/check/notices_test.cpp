// Which kick and which call came with a buffer: what "ring.kick" and "ring.call" say of a packet,
// and what `show --ring --packet` shows beside it.
#include "labs/check/notices.h"

#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "labs/check/check.h"
#include "labs/check/sharpness.h"
#include "tests/unit/check/verdicts.h"

using namespace skbtrail;
using labs::Outcome;
using test::call;
using test::parse_members;

namespace {

/// Events of one queue after the other, numbered without a gap.
std::vector<chain::RingEvent> events(const std::vector<std::pair<unsigned, std::string>>& what) {
    std::vector<chain::RingEvent> all;
    for (const auto& [queue, event] : what) {
        chain::RingEvent& next = all.emplace_back();
        next.sequence = all.size();
        next.queue = queue;
        next.event = event;
    }
    return all;
}

/// Packet 1 is sent; its buffer is found behind a kick, and given back without a call.
chain::Recording sent_recording() {
    auto recording = test::RecordingBuilder()
                         .packet(1, {{"udp.source", "5000"}})
                         .chain(call("root", {call("a").skb(1)}))
                         .build();
    recording.ring_events =
        events({{1, "kick"}, {1, "available"}, {1, "used"}, {1, "call_suppressed"}});
    recording.ring_events[1].packet = 1;
    recording.ring_events[2].packet = 1;
    return recording;
}

std::string asking(const std::string& words) {
    return R"("chains":[{"name":"c","root":"root","packet":{)" + words +
           R"(},"bind":"p","calls":[{"call":"a","packet":"p"}]}])";
}

}  // namespace

TEST_CASE("a kick is about what is found behind it, in its queue") {
    const auto all = events({{1, "kick"},
                             {3, "kick_suppressed"},
                             {1, "available"},
                             {1, "used"},
                             {3, "available"},
                             {1, "available"}});
    CHECK(labs::kick_of(all, 2) == &all[0]);
    CHECK(labs::kick_of(all, 4) == &all[1]);
    CHECK(labs::kick_of(all, 5) == &all[0]);
}

TEST_CASE("what the NIC found after the batch had no kick of its own") {
    const auto all = events(
        {{1, "kick"}, {1, "available"}, {1, "used"}, {1, "call"}, {1, "available"}, {1, "used"}});
    CHECK(labs::kick_of(all, 4) == nullptr);
    CHECK(labs::call_of(all, 5) == nullptr);
    CHECK(labs::call_of(all, 2) == &all[3]);
}

TEST_CASE("a receive buffer waits for a frame, not behind a kick") {
    const auto all = events({{0, "kick"}, {0, "available"}, {0, "used"}, {0, "call"}});
    CHECK(labs::kick_of(all, 1) == nullptr);
    CHECK(labs::call_of(all, 2) == &all[3]);
}

TEST_CASE("a call is that of the whole batch, in its queue") {
    const auto all = events(
        {{0, "used"}, {2, "used"}, {0, "used"}, {2, "call"}, {0, "call_suppressed"}, {0, "call"}});
    CHECK(labs::call_of(all, 0) == &all[4]);
    CHECK(labs::call_of(all, 1) == &all[3]);
    CHECK(labs::call_of(all, 2) == &all[4]);
}

TEST_CASE("over a gap in the NIC's count nothing is said") {
    auto all = events({{1, "kick"}, {1, "available"}, {1, "used"}, {1, "call"}});
    CHECK(labs::kick_of(all, 1) == &all[0]);
    CHECK(labs::call_of(all, 2) == &all[3]);
    for (std::size_t i = 1; i < all.size(); ++i) ++all[i].sequence;
    CHECK(labs::kick_of(all, 1) == nullptr);
    ++all[3].sequence;
    CHECK(labs::call_of(all, 2) == nullptr);
}

TEST_CASE("a packet can be asked for by whether it came with a kick and a call") {
    const auto recording = sent_recording();
    const auto outcome = [&](const std::string& words) {
        return labs::check(recording, parse_members(asking(words))).outcome;
    };
    CHECK(outcome(R"("ring.kick":"made","ring.call":"suppressed")") == Outcome::passed);
    CHECK(outcome(R"("ring.call":["made","suppressed"])") == Outcome::passed);
    CHECK(outcome(R"("ring.kick":"suppressed")") == Outcome::diverged);
    CHECK(outcome(R"("ring.call":"made")") == Outcome::diverged);
}

TEST_CASE("neither a kick nor a call is anything but made or suppressed") {
    CHECK_THROWS_AS(parse_members(asking(R"("ring.call":"supressed")")), chain::FormatError);
    CHECK_THROWS_AS(parse_members(asking(R"("ring.kick":["made","call"])")), chain::FormatError);
}

TEST_CASE("sharpness is whether a kick or a call that came the other way is noticed") {
    const auto recording = sent_recording();
    const auto survivors = [&](const std::string& words) {
        return labs::measure_sharpness(recording, parse_members(asking(words))).survivors.size();
    };
    const auto tried = [&](const std::string& words) {
        return labs::measure_sharpness(recording, parse_members(asking(words))).tried;
    };
    const std::string plain = R"("udp.source":"5000")";
    CHECK(tried(R"("ring.kick":"made","ring.call":"suppressed")") == tried(plain) + 2);
    CHECK(survivors(R"("ring.kick":"made","ring.call":"suppressed")") == survivors(plain));
    CHECK(survivors(R"("ring.call":["made","suppressed"])") == survivors(plain) + 1);
}
