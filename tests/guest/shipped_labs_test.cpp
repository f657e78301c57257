// Every lab that is shipped passes on a real kernel, and its expectation would have noticed if it
// had not.

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include "tests/guest/program.h"

namespace fs = std::filesystem;
using skbtrail::tests::run;
using skbtrail::tests::Scratch;

namespace {

std::vector<std::string> shipped_labs() {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(SKBTRAIL_LABS)) {
        if (fs::exists(entry.path() / "lab.json")) names.push_back(entry.path().filename());
    }
    return names;
}

}  // namespace

TEST_CASE("each shipped lab passes on 6.12, sharply") {
    const auto name = GENERATE(from_range(shipped_labs()));
    const Scratch scratch;
    const fs::path results = scratch.path() / "results";
    const auto lab = run(scratch, {"skbtrail", "run", name, "--output", results});
    INFO(name << "\n" << lab.output);
    REQUIRE(lab.status == 0);
    CHECK(scratch.left_behind().empty());
    const auto sharp = run(scratch, {"skbtrail", "expect", "sharpness", name, results});
    INFO(sharp.output);
    CHECK(sharp.status == 0);
    CHECK(fs::exists(fs::path(SKBTRAIL_LABS) / name / "README.md"));
}
