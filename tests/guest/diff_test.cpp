// Two recordings of one lab on one kernel are equal, and what is changed in one of them is found.

#include <filesystem>
#include <fstream>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "tests/guest/program.h"
#include "tracer/chain/recording_json.h"

namespace fs = std::filesystem;
using Catch::Matchers::ContainsSubstring;
using skbtrail::tests::run;
using skbtrail::tests::Scratch;

namespace {

/// Takes the first call of `function` out of the tree.
bool take_out(skbtrail::chain::Call& call, const std::string& function) {
    for (auto below = call.calls.begin(); below != call.calls.end(); ++below) {
        if (below->function == function) {
            call.calls.erase(below);
            return true;
        }
        if (take_out(*below, function)) return true;
    }
    return false;
}

}  // namespace

TEST_CASE("two runs of a lab on one kernel differ in nothing, and a call less is seen") {
    const Scratch scratch;
    const fs::path results = scratch.path() / "results";
    const auto twice = run(scratch, {"skbtrail", "diff", "ping-receive", "--kernel", "6.12,6.12",
                                     "--output", results});
    INFO(twice.output);
    REQUIRE(twice.status == 0);
    CHECK_THAT(twice.output, ContainsSubstring("equal: 4 of 4 packets took the same way"));
    CHECK(scratch.left_behind().empty());

    const auto a = results / "a" / "ping-receive-6.12" / "recording.json";
    auto recording = skbtrail::chain::load_recording(a.string());
    bool taken = false;
    for (auto& chain : recording.chains) taken = taken || take_out(chain.root, "ip_rcv_core");
    REQUIRE(taken);
    const auto changed = results / "changed.json";
    std::ofstream out(changed);
    skbtrail::chain::write_json(recording, out);
    out.close();
    const auto less = run(scratch, {"skbtrail", "diff", a, changed});
    INFO(less.output);
    CHECK(less.status == 1);
    CHECK_THAT(less.output,
               ContainsSubstring("-   ip_rcv_core") && ContainsSubstring("; 1 difference\n"));
}
