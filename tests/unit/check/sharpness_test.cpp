// The measure itself: a closed expectation notices everything, a lax one is told what it misses.
#include "labs/check/sharpness.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <fmt/format.h>

#include "labs/check/expectation_json.h"
#include "tests/unit/recording_builder.h"

using namespace skbtrail;
using labs::Mutation;
using labs::Sharpness;
using test::call;

namespace {

chain::Recording received_ping() {
    return test::RecordingBuilder()
        .packet(1, {{"icmp.type", "echo-reply"}})
        .chain(call("__napi_poll",
                    {call("virtnet_poll",
                          {call("receive_buf", {call("page_to_skb").skb(1), call("kfree")}),
                           call("napi_complete_done",
                                {call("ip_list_rcv", {call("ip_rcv_core").skb(1),
                                                      call("raw_rcv", {call("skb_push").skb(1)})}),
                                 call("trailer")})})}))
        .build();
}

Sharpness measure(const std::string& steps) {
    return labs::measure_sharpness(
        received_ping(),
        labs::parse_expectation(fmt::format(
            R"({{"format":"skbtrail-expectation","version":1,"chains":[{{"name":"received",
                "root":"__napi_poll","packet":{{"icmp.type":"echo-reply"}},"bind":"reply",
                "calls":[{}]}}]}})",
            steps)));
}

bool survived(const Sharpness& sharpness, Mutation mutation, const std::string& function) {
    return std::any_of(sharpness.survivors.begin(), sharpness.survivors.end(),
                       [&](const labs::Survivor& survivor) {
                           return survivor.mutation == mutation && survivor.path.back() == function;
                       });
}

}  // namespace

TEST_CASE("an expectation that says all notices all") {
    const Sharpness sharpness = measure(R"(
        {"call":"virtnet_poll","calls":[
          {"call":"receive_buf","calls":[{"call":"page_to_skb","packet":"reply"}]},
          {"call":"napi_complete_done","calls":[
            {"call":"gro_normal_list","may_inline":true,"calls":[
              {"any_of":["ip_rcv",{"call":"ip_list_rcv","calls":["ip_rcv_core","raw_rcv"]}]}]},
            "trailer"]}]})");
    CHECK(sharpness.required == 8);
    // Without another parent or a neighbour: virtnet_poll; without a neighbour: page_to_skb.
    CHECK(sharpness.tried == 8 * 4 - 3);
    CHECK(sharpness.survivors.empty());
    CHECK(sharpness.score() == 1.0);
}

TEST_CASE("what an expectation leaves open is named") {
    const Sharpness sharpness = measure(R"(
        {"call":"virtnet_poll","calls":[
          "...",
          {"call":"napi_complete_done","calls":["...",{"somewhere":"skb_push"}]},
          "..."]})");
    CHECK(survived(sharpness, Mutation::swapped, "napi_complete_done"));
    CHECK(survived(sharpness, Mutation::moved, "skb_push"));
    CHECK_FALSE(survived(sharpness, Mutation::removed, "napi_complete_done"));
    CHECK_FALSE(survived(sharpness, Mutation::renamed, "skb_push"));
    CHECK(sharpness.required == 3);
    CHECK(sharpness.score() < 1.0);
}

TEST_CASE("optional calls are not required, calls that come in any order are") {
    const Sharpness sharpness = measure(R"(
        {"call":"virtnet_poll","calls":[
          {"unordered":["napi_complete_done","receive_buf"]},
          {"call":"never","optional":true}]})");
    CHECK(sharpness.required == 3);
    CHECK(survived(sharpness, Mutation::swapped, "receive_buf"));
    const Sharpness lax = measure(R"(
        {"call":"virtnet_poll","calls":[{"call":"receive_buf","optional":true},"..."]})");
    CHECK(lax.required == 1);
}

TEST_CASE("a recording that does not pass measures nothing") {
    CHECK_THROWS_AS(measure(R"("virtnet_receive")"), std::invalid_argument);
}

TEST_CASE("what a step says of the sk_buff, and a chain of its processor, is changed as well") {
    const auto measured = [](const std::string& members, const std::string& skb) {
        return labs::measure_sharpness(
            received_ping(),
            labs::parse_expectation(fmt::format(
                R"({{"format":"skbtrail-expectation","version":1,"chains":[{{"name":"received",
                    "root":"__napi_poll",{}"packet":{{"icmp.type":"echo-reply"}},"bind":"reply",
                    "calls":[{{"somewhere":{{"call":"ip_rcv_core","packet":"reply"{}}}}}]}}]}})",
                members, skb)));
    };
    const Sharpness without = measured("", "");
    const Sharpness values = measured("", R"(,"skb":{"data":64,"len":98,"cloned":0,"queue":0})");
    CHECK(values.tried == without.tried + 4);
    CHECK(values.survivors.size() == without.survivors.size());
    const Sharpness placed = measured(R"("cpu":0,)", "");
    CHECK(placed.tried == without.tried + 1);
    CHECK(placed.survivors.size() == without.survivors.size());

    // A second such call, and the first one's values may be others.
    auto twice = received_ping();
    auto& calls = twice.chains[0].root.calls[0].calls[1].calls[0].calls;
    calls.push_back(calls[0]);
    const Sharpness lax = labs::measure_sharpness(
        twice, labs::parse_expectation(
                   R"({"format":"skbtrail-expectation","version":1,"chains":[{"name":"received",
                       "root":"__napi_poll","packet":{"icmp.type":"echo-reply"},"bind":"reply",
                       "calls":[{"somewhere":{"call":"ip_rcv_core","packet":"reply",
                                              "skb":{"len":98}}}]}]})"));
    CHECK(survived(lax, Mutation::altered, "ip_rcv_core"));
}
