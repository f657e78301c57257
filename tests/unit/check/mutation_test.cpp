// An expectation is as sharp as what it notices: every required call of a passing recording is
// taken away, renamed, moved to another parent and swapped with its neighbour, and the check has
// to fail each time, at that very place.
#include <cstddef>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "labs/check/check.h"
#include "labs/check/expectation_json.h"
#include "labs/check/noise.h"
#include "tests/unit/recording_builder.h"

using namespace skbtrail;
using test::call;

namespace {

chain::Recording passing_recording() {
    return test::RecordingBuilder()
        .packet(1, {{"icmp.type", "echo-reply"}})
        .traceable("mutant")
        .chain(call(
            "__napi_poll",
            {call(
                "virtnet_poll",
                {call("_raw_spin_lock"),
                 call("receive_buf", {call("page_to_skb", {call("skb_put")}).skb(1), call("kfree"),
                                      call("eth_type_trans").skb(1),
                                      call("napi_gro_receive", {call("dev_gro_receive")}).skb(1)}),
                 call("napi_complete_done",
                      {call("ip_list_rcv",
                            {call("ip_rcv_core").skb(1),
                             call("raw_rcv", {call("sock_def_readable", {call("__wake_up")})})
                                 .skb(1)})}),
                 call("virtqueue_enable_cb_prepare")})}))
        .build();
}

labs::Expectation expectation() {
    return labs::parse_expectation(R"({"format":"skbtrail-expectation","version":1,"chains":[
      {"name":"received","root":"__napi_poll","packet":{"icmp.type":"echo-reply"},"bind":"reply",
       "calls":[{"call":"virtnet_poll","calls":[
         {"call":"receive_buf","calls":[
           "page_to_skb",
           {"any_of":["eth_type_trans","eth_type_trans_fast"]},
           {"call":"napi_gro_receive","packet":"reply","calls":["dev_gro_receive"]}]},
         {"call":"napi_complete_done","calls":[
           {"any_of":["ip_rcv",{"call":"ip_list_rcv","packet":"reply","calls":[
             "ip_rcv_core",
             {"somewhere":{"call":"sock_def_readable"}}]}]}]},
         "..."]}]}]})");
}

/// Functions that are required, in the recording's own order.
const std::vector<std::string> required = {
    "virtnet_poll",    "receive_buf",        "page_to_skb", "eth_type_trans", "napi_gro_receive",
    "dev_gro_receive", "napi_complete_done", "ip_list_rcv", "ip_rcv_core",    "sock_def_readable"};

/// The list that `function` stands in, and where.
std::pair<std::vector<chain::Call>*, std::size_t> find(chain::Call& call,
                                                       const std::string& function) {
    for (std::size_t i = 0; i < call.calls.size(); ++i) {
        if (call.calls[i].function == function) return {&call.calls, i};
        if (const auto found = find(call.calls[i], function); found.first != nullptr) return found;
    }
    return {nullptr, 0};
}

/// The next call in the list that is compared, behind `place`.
std::size_t next_compared(const std::vector<chain::Call>& calls, std::size_t place) {
    const labs::NoiseFilter noise;
    std::size_t next = place + 1;
    while (next < calls.size() && noise.is_noise(calls[next].function)) ++next;
    return next;
}

template <typename Mutate>
void expect_failure(const std::string& function, const Mutate& mutate) {
    INFO(function);
    chain::Recording recording = passing_recording();
    const auto [list, place] = find(recording.chains[0].root, function);
    REQUIRE(list != nullptr);
    if (!mutate(recording, *list, place)) return;
    const labs::Verdict verdict = labs::check(recording, expectation());
    CHECK(verdict.outcome == labs::Outcome::diverged);
    CHECK(verdict.chains[0].divergence);
}

}  // namespace

TEST_CASE("the recording passes before it is mutated") {
    const labs::Verdict verdict = labs::check(passing_recording(), expectation());
    CHECK(verdict.outcome == labs::Outcome::passed);
}

TEST_CASE("a required call that is taken away is missed") {
    for (const std::string& function : required) {
        expect_failure(function, [](auto&, auto& list, std::size_t place) {
            list.erase(list.begin() + static_cast<std::ptrdiff_t>(place));
            return true;
        });
    }
}

TEST_CASE("a required call that is inlined (its callees are its caller's) is missed") {
    for (const std::string& function : required) {
        expect_failure(function, [](auto&, auto& list, std::size_t place) {
            auto below = std::move(list[place].calls);
            list.erase(list.begin() + static_cast<std::ptrdiff_t>(place));
            list.insert(list.begin() + static_cast<std::ptrdiff_t>(place), below.begin(),
                        below.end());
            return true;
        });
    }
}

TEST_CASE("a required call that is renamed is missed") {
    for (const std::string& function : required) {
        expect_failure(function, [](auto&, auto& list, std::size_t place) {
            list[place].function = "mutant";
            return true;
        });
    }
}

TEST_CASE("a required call that moves to another parent is missed") {
    for (const std::string& function : required) {
        expect_failure(function, [&](chain::Recording& recording, auto& list, std::size_t place) {
            chain::Call moved = list[place];
            list.erase(list.begin() + static_cast<std::ptrdiff_t>(place));
            recording.chains[0].root.calls.push_back(std::move(moved));
            // The only call of the root that moves to the root is where it was.
            return function != "virtnet_poll";
        });
    }
}

TEST_CASE("a required call that is swapped with its neighbour is missed") {
    for (const std::string& function : required) {
        // Behind the last step comes "...", and behind the last call nothing to swap with.
        if (function == "napi_complete_done") continue;
        expect_failure(function, [](auto&, auto& list, std::size_t place) {
            const std::size_t next = next_compared(list, place);
            if (next == list.size()) return false;
            std::swap(list[place], list[next]);
            return true;
        });
    }
}

TEST_CASE("a call that comes in between is noticed") {
    for (const std::string& function : required) {
        // Around what stands somewhere, anything may come.
        if (function == "sock_def_readable") continue;
        expect_failure(function, [](auto&, auto& list, std::size_t place) {
            chain::Call call;
            call.function = "mutant";
            list.insert(list.begin() + static_cast<std::ptrdiff_t>(place), call);
            return true;
        });
    }
}
