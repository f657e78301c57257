// Durations are compared where a clock counted instructions, and nowhere else.
#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>

#include "labs/diff/compare.h"
#include "tests/unit/recording_builder.h"

namespace skbtrail::labs::diff {
namespace {

using test::call;
using test::RecordingBuilder;

chain::Recording recording(const char* nanoseconds) {
    RecordingBuilder builder;
    builder.packet(1, {{"icmp.type", "echo-reply"}}, "ICMP echo reply")
        .chain(
            call("__napi_poll",
                 {call("virtnet_poll", {call("ip_rcv").skb(1), call("icmp_rcv").skb(1)}).skb(1)}))
        .chain(call("__sys_recvmsg",
                    {call("__skb_wait_for_more_packets"), call("consume_skb").skb(1)}));
    auto result = builder.build();
    if (nanoseconds != nullptr) {
        result.observed.host["clock"] = "instructions";
        result.observed.host["nanoseconds_per_instruction"] = nanoseconds;
    }
    return result;
}

Comparison compared(const chain::Recording& a, const chain::Recording& b) {
    return compare(a, "a", b, "b", {});
}

TEST_CASE("durations are compared if both were counted in the same instructions") {
    CHECK_FALSE(compared(recording(nullptr), recording(nullptr)).durations);
    CHECK_FALSE(compared(recording("4"), recording(nullptr)).durations);
    CHECK_FALSE(compared(recording("4"), recording("8")).durations);
    CHECK_FALSE(compared(recording("x"), recording("x")).durations);
    const auto same = compared(recording("4"), recording("4"));
    REQUIRE(same.durations);
    CHECK(same.durations->nanoseconds_per_instruction == 4);
    // Four of the poll's; of the reader's only what does not wait.
    CHECK(same.durations->calls == 5);
    CHECK(same.durations->same == 5);
    CHECK(same.durations->largest == 0.0);
    CHECK(same.durations->functions.empty());
}

TEST_CASE("a function that takes longer is named, and its callers with it are not") {
    const auto a = recording("4");
    auto b = a;
    auto& poll = b.chains[0].root;
    *poll.duration += 100;
    *poll.calls[0].duration += 100;
    *poll.calls[0].calls[0].duration += 100;
    // How long somebody waited is no cost.
    *b.chains[1].root.duration += 5000;
    *b.chains[1].root.calls[0].duration += 5000;
    const auto comparison = compared(a, b);
    CHECK(comparison.likeness == Likeness::equal);
    REQUIRE(comparison.durations);
    const auto& durations = *comparison.durations;
    CHECK(durations.calls == 5);
    CHECK(durations.same == 2);
    const auto before = static_cast<double>(*a.chains[0].root.calls[0].calls[0].duration);
    CHECK(durations.largest == Catch::Approx(100 / (before + 100)));
    REQUIRE(durations.functions.size() == 1);
    CHECK(durations.functions[0].function == "ip_rcv");
    CHECK(durations.functions[0].b - durations.functions[0].a == 100);
    const auto json = nlohmann::json::parse(to_json(comparison));
    CHECK(json["durations"]["functions"][0]["function"] == "ip_rcv");
}

TEST_CASE("the time that interrupts took is nobody's cost") {
    const auto a = recording("4");
    auto b = a;
    for (auto* call :
         {&b.chains[0].root, &b.chains[0].root.calls[0], &b.chains[0].root.calls[0].calls[0]}) {
        *call->duration += 30'000;
        call->interrupted = 30'000;
    }
    const auto comparison = compared(a, b);
    REQUIRE(comparison.durations);
    CHECK(comparison.durations->same == 5);
    CHECK(comparison.durations->functions.empty());
}

TEST_CASE("calls that did not do the same work are not held against each other") {
    const auto a = recording("4");
    auto b = a;
    // Noise is not compared, but it takes its time.
    b.chains[0].root.calls[0].calls[1].calls.push_back(call("_raw_spin_lock").value());
    b.chains[0].root.calls[0].calls[1].calls[0].duration = 50;
    const auto comparison = compared(a, b);
    CHECK(comparison.likeness == Likeness::equal);
    REQUIRE(comparison.durations);
    CHECK(comparison.durations->calls == 2);  // ip_rcv and consume_skb
}

}  // namespace
}  // namespace skbtrail::labs::diff
