// A draft is an expectation that its own recording would pass, if it were not marked as a draft.
#include "labs/check/draft.h"

#include <stdexcept>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "labs/check/check.h"
#include "labs/check/expectation_json.h"
#include "tests/unit/recording_builder.h"

using namespace skbtrail;
using Catch::Matchers::ContainsSubstring;
using test::call;

namespace {

chain::Recording ping_and_noise() {
    return test::RecordingBuilder()
        .packet(1, {{"icmp.type", "echo-reply"}, {"icmp.id", "77"}})
        .packet(2)
        .chain(call("__napi_poll",
                    {call("virtnet_poll",
                          {call("_raw_spin_lock"), call("get_buf", {call("split")}),
                           call("get_buf", {call("split")}),
                           call("receive_buf.isra.0", {call("page_to_skb").skb(1), call("kfree")}),
                           call("unrelated").skb(2)})}))
        .chain(call("sock_close", {call("inet_release")}))
        .build();
}

}  // namespace

TEST_CASE("a draft says what came, without noise, suffixes and accidents") {
    const std::string text = labs::draft_expectation(ping_and_noise(), {});
    CHECK_THAT(text, ContainsSubstring("\"receive_buf\"") && ContainsSubstring("\"count\": 2"));
    for (const char* absent : {"isra", "kfree", "_raw_spin_lock", "77", "split", "sock_close"}) {
        INFO(absent);
        CHECK_THAT(text, !ContainsSubstring(absent));
    }
}

TEST_CASE("a draft names the schema that it is told, or none") {
    CHECK_THAT(labs::draft_expectation(ping_and_noise(), {}), !ContainsSubstring("$schema"));
    CHECK_THAT(labs::draft_expectation(ping_and_noise(), {}, "../x.json"),
               ContainsSubstring("\"$schema\": \"../x.json\""));
}

TEST_CASE("a draft passes nothing; once read and unmarked, its recording passes") {
    auto expectation = labs::parse_expectation(labs::draft_expectation(ping_and_noise(), {}));
    CHECK(expectation.draft);
    CHECK(labs::check(ping_and_noise(), expectation).outcome == labs::Outcome::not_judgeable);
    expectation.draft = false;
    CHECK(labs::check(ping_and_noise(), expectation).outcome == labs::Outcome::passed);
    auto other = ping_and_noise();
    other.chains[0].root.calls[0].calls[3].calls.erase(
        other.chains[0].root.calls[0].calls[3].calls.begin());
    CHECK(labs::check(other, expectation).outcome == labs::Outcome::diverged);
}

TEST_CASE("a chain without a packet can be asked for, one that is not there cannot") {
    CHECK_THAT(labs::draft_expectation(ping_and_noise(), {2}), ContainsSubstring("inet_release"));
    CHECK_THROWS_AS(labs::draft_expectation(ping_and_noise(), {1, 9}), std::invalid_argument);
}
