// What every expectation knows: common paths, and names on other kernels.
#include "labs/check/paths.h"

#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "labs/check/check.h"
#include "labs/check/expectation_json.h"
#include "tests/unit/recording_builder.h"
#include "tracer/chain/format_error.h"

using namespace skbtrail;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;
using test::call;

TEST_CASE("every common path can be read, and says where its steps are") {
    REQUIRE_FALSE(labs::common_paths().names().empty());
    CHECK_NOTHROW(labs::StepReader::check_fragments(labs::common_paths()));
    for (const std::string& name : labs::common_paths().names()) {
        const auto expectation = labs::parse_expectation(
            R"({"format":"skbtrail-expectation","version":1,"chains":[{"name":"c","root":"r",
                "calls":[{"use":")" +
            name + R"("}]}]})");
        REQUIRE_FALSE(expectation.chains[0].calls->empty());
        CHECK(expectation.chains[0].calls->at(0).place.starts_with("paths.json:/fragments/"));
    }
}

TEST_CASE("a function that was renamed is the same function") {
    const auto expectation = labs::parse_expectation(
        R"({"format":"skbtrail-expectation","version":1,
            "chains":[{"name":"c","root":"r","calls":["free_old_xmit"]}]})");
    const auto outcome = [&](const char* name) {
        return labs::check(test::RecordingBuilder().chain(call("r", {call(name)})).build(),
                           expectation)
            .outcome;
    };
    CHECK(outcome("free_old_xmit") == labs::Outcome::passed);
    CHECK(outcome("free_old_xmit_skbs") == labs::Outcome::passed);
    CHECK(outcome("free_new_xmit") == labs::Outcome::diverged);
}

TEST_CASE("a list of renames that is none is refused") {
    const auto [renames, sentence] = GENERATE(table<std::string, const char*>({
        {R"([{"function":"a","also":["b"]}])", "the member \"reason\" is missing"},
        {R"([{"function":"a","also":["b"],"reason":""}])", "a rename needs a reason"},
        {R"([{"function":"a","also":["b"],"reason":"r"},{"function":"a","also":["c"],"reason":"r"}])",
         "in the list already"},
        {R"([{"function":"a*","also":["b"],"reason":"r"}])", "a glob can stand"},
        {R"([{"function":"a","also":"b","reason":"r"}])", "expected an array"},
        {R"([{"funktion":"a","also":["b"],"reason":"r"}])", "/renames/0/funktion: unknown key"},
    }));
    INFO(renames);
    CHECK_THROWS_MATCHES(labs::parse_renames(R"({"format":"skbtrail-renames","version":1,)"
                                             R"("renames":)" +
                                             renames + "}"),
                         chain::FormatError, MessageMatches(ContainsSubstring(sentence)));
}
