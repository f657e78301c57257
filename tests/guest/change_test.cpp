// A kernel that is changed under a lab's feet is caught: the check names what came, and where; the
// comparison with the kernel as it was shows the change, and nothing else.
//
// Each run of the tests takes the hook of an nft chain, which comes and lets everything pass: the
// change that is hardest to notice from outside. `make test-all` makes the others, too.

#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <nlohmann/json.hpp>

#include "tests/guest/program.h"
#include "tests/places.h"

namespace fs = std::filesystem;
using Catch::Matchers::ContainsSubstring;
using nlohmann::json;
using skbtrail::tests::in_source;
using skbtrail::tests::run;
using skbtrail::tests::Scratch;
using skbtrail::tests::text_of;

namespace {

/// A folder of tests/guest/changes, and what it does to a lab.
struct Changed {
    const char* name;
    const char* lab = "ping-receive";
    const char* outcome;           ///< failed where the ping had no answer
    std::set<std::string> chains;  ///< that diverge
    const char* came;              ///< what the check says of the first of them
    const char* caller;            ///< where
    /// The functions that the comparison shows, each with all below it; "fate": another end.
    std::set<std::string> shown;
};

const std::string request_leaves = "the echo request leaves";
const std::string reply_comes = "the echo reply is received";
const std::string ping_comes = "the guest answers a ping";

const Changed nft_hook = {.name = "nft-hook",
                          .outcome = "diverged",
                          .chains = {reply_comes, ping_comes},
                          .came = "nf_hook_slow",
                          .caller = "ip_local_deliver",
                          .shown = {"nf_hook_slow"}};

const std::vector<Changed> others = {
    {.name = "bridge-module",
     .outcome = "diverged",
     .chains = {reply_comes, ping_comes},
     .came = "nf_hook_slow_list",
     .caller = "ip_sublist_rcv",
     .shown = {"nf_hook_slow_list"}},
    {.name = "tc-program",
     .outcome = "diverged",
     .chains = {request_leaves, reply_comes, ping_comes},
     .came = "tc_run",
     .caller = "__dev_queue_xmit",
     .shown = {"tc_run"}},
    // A ping that has no answer yet is still there when the wire pings: its socket gets that, too.
    {.name = "detour",
     .outcome = "failed",
     .chains = {reply_comes},
     .came = "nothing more from sock_queue_rcv_skb_reason",
     .caller = "sock_queue_rcv_skb_reason",
     .shown = {"__sock_queue_rcv_skb", "sk_skb_reason_drop", "fate", "__x64_sys_recvfrom",
               "ip_mc_sf_allow", "skb_clone", "raw_rcv"}},
    {.name = "drop-rule",
     .outcome = "failed",
     .chains = {reply_comes, ping_comes},
     .came = "nf_hook_slow",
     .caller = "ip_local_deliver",
     .shown = {"nf_hook_slow", "ip_local_deliver_finish", "fate", "__x64_sys_recvfrom",
               "ip_mc_sf_allow", "skb_clone", "raw_rcv"}},
    // No packet there, but what ip and ethtool ask of the card.
    {.name = "macvlan",
     .lab = "net-device-ops",
     .outcome = "diverged",
     .chains = {"ip -s link"},
     .came = "rtnl_fill_ifinfo",
     .caller = "rtnl_dump_ifinfo",
     .shown = {"macvlan_device_event", "rtnl_fill_ifinfo", "if_nlmsg_size"}}};

fs::path change(const Changed& changed) {
    return in_source(std::string("tests/guest/changes/") + changed.name);
}

/// The functions that the comparison shows as gone, come or another, each the top of what is.
std::set<std::string> shown(const json& comparison) {
    std::set<std::string> functions;
    for (const auto& difference : comparison["differences"]) {
        const auto kind = difference["change"].get<std::string>();
        if (kind == "inlined" || kind == "not_traceable") continue;
        const auto name = difference["function"].get<std::string>();
        functions.insert(kind == "fate" ? "fate" : name.substr(0, name.find('.')));
    }
    return functions;
}

/// What the check of the changed run says.
void is_named(const Scratch& scratch, const Changed& changed, const fs::path& results) {
    const auto check = run(scratch, {"skbtrail", "check", results, "--json"});
    INFO(check.output);
    CHECK(check.status == 1);
    const auto verdict = json::parse(check.output);
    std::set<std::string> diverged;
    for (const auto& chain : verdict["chains"]) {
        if (chain["outcome"] == "passed") continue;
        diverged.insert(chain["name"].get<std::string>());
        if (diverged.size() > 1) continue;
        CAPTURE(chain.dump(2));
        CHECK_THAT(chain["divergence"]["came"].get<std::string>(), ContainsSubstring(changed.came));
        CHECK_THAT(chain["divergence"]["path"].back().get<std::string>(),
                   ContainsSubstring(changed.caller));
    }
    CHECK(diverged == changed.chains);
}

void is_caught(const Changed& changed) {
    CAPTURE(changed.name);
    const Scratch scratch;
    const auto results = scratch.path() / "results";
    const auto diff = run(scratch, {"skbtrail", "diff", changed.lab, "--change", change(changed),
                                    "--output", results});
    INFO(diff.output);
    REQUIRE(diff.status == 1);
    CHECK_THAT(diff.output, ContainsSubstring(std::string(", changed by ") + changed.name));
    CHECK(scratch.left_behind().empty());

    const auto clean = results / "a" / changed.lab;
    const auto dirty = results / "b" / changed.lab;
    CHECK(json::parse(text_of(clean / "result.json"))["outcome"] == "passed");
    CHECK(json::parse(text_of(dirty / "result.json"))["outcome"] == changed.outcome);
    is_named(scratch, changed, dirty);
    const auto compared = run(scratch, {"skbtrail", "diff", clean, dirty, "--format", "json"});
    CHECK(compared.status == 1);
    const auto functions = shown(json::parse(compared.output));
    INFO(json(functions).dump());
    CHECK(functions == changed.shown);
}

}  // namespace

TEST_CASE("a chain of nft that only counts is named by the check, and all that the diff shows") {
    is_caught(nft_hook);
}

TEST_CASE("whatever changes the path is named by the check, and all that the diff shows",
          "[.all]") {
    is_caught(GENERATE(from_range(others)));
}

TEST_CASE("a change that cannot be made fails the run in its own step") {
    const Scratch scratch;
    const auto script = scratch.path() / "mine.sh";
    std::ofstream(script) << "echo nothing to change here >&2\nexit 3\n";
    const auto outcome = run(scratch, {"skbtrail", "run", "ping-receive", "--change", script,
                                       "--output", scratch.path() / "results"});
    INFO(outcome.output);
    CHECK(outcome.status == 2);
    CHECK_THAT(outcome.output, ContainsSubstring("phase \"change\"") &&
                                   ContainsSubstring("mine.sh") &&
                                   ContainsSubstring("nothing to change here"));
    CHECK(!fs::exists(scratch.path() / "results" / "recording.json"));
    CHECK(scratch.left_behind().empty());
}
