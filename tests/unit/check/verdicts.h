// What the tests of verdicts share: expectations and recordings in few words.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "labs/check/check.h"
#include "labs/check/expectation_json.h"
#include "tests/unit/recording_builder.h"

namespace skbtrail::test {

inline labs::Expectation parse_members(const std::string& members) {
    return labs::parse_expectation(R"({"format":"skbtrail-expectation","version":1,)" + members +
                                   "}");
}

/// One chain from "root", with more members.
inline labs::Expectation expect(const std::string& members, const std::string& top = "") {
    return parse_members(top + R"("chains":[{"name":"c","root":"root",)" + members + "}]");
}

/// The first chain's, which there has to be.
inline labs::Divergence divergence(const chain::Recording& recording,
                                   const labs::Expectation& expectation) {
    const labs::Verdict verdict = labs::check(recording, expectation);
    REQUIRE(verdict.chains.at(0).divergence);
    return *verdict.chains[0].divergence;
}

/// The calls on the way to it, by name.
inline std::string path_text(const labs::Divergence& d) {
    std::string text;
    for (const std::string& name : d.path) text += (text.empty() ? "" : " ") + name;
    return text;
}

/// One chain, from "root"; "never_called" could have been seen, and was not.
inline chain::Recording record(std::vector<CallBuilder> below) {
    return RecordingBuilder()
        .traceable("never_called")
        .chain(call("root", std::move(below)))
        .build();
}

}  // namespace skbtrail::test
