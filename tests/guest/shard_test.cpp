// A batch in two shards, as two machines would run it, and their results as one.

#include <filesystem>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <nlohmann/json.hpp>

#include "tests/guest/program.h"

namespace fs = std::filesystem;
using Catch::Matchers::ContainsSubstring;
using skbtrail::tests::Outcome;
using skbtrail::tests::run;
using skbtrail::tests::Scratch;

TEST_CASE("two shards run what one batch would, and merge tells whether all of it was run") {
    const Scratch scratch;
    const auto directory = [&](int shard) { return scratch.path() / std::to_string(shard); };
    const auto run_shard = [&](int shard) {
        return run(scratch, {"skbtrail", "run", "arp", "ping-receive", "--shard",
                             std::to_string(shard) + "/2", "--output", directory(shard)});
    };
    const auto merge = [&](const std::vector<std::string>& more) {
        std::vector<std::string> arguments{"skbtrail", "merge"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return run(scratch, arguments);
    };
    const auto first = run_shard(1);
    INFO(first.output);
    CHECK(first.status == 0);

    const auto half = merge({directory(1)});
    INFO(half.output);
    CHECK(half.status == 2);
    CHECK_THAT(half.output, ContainsSubstring("1 passed") && ContainsSubstring("ping-receive"));

    const auto second = run_shard(2);
    INFO(second.output);
    CHECK(second.status == 0);
    const auto whole = merge({directory(1), directory(2), "--format", "json"});
    INFO(whole.output);
    REQUIRE(whole.status == 0);
    const auto results = nlohmann::json::parse(whole.output).at("results");
    REQUIRE(results.size() == 2);
    for (const auto& result : results) CHECK(result.at("outcome") == "passed");
    CHECK(results.at(0).at("lab") != results.at(1).at("lab"));
    CHECK_THAT(merge({directory(2), directory(1)}).output, ContainsSubstring("2 passed"));
    CHECK(scratch.left_behind().empty());
}
