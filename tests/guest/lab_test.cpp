// The lab ping-receive on a real kernel, and what becomes of its judgement when the recording or
// the expectation is not what it should be.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <nlohmann/json.hpp>

#include "tests/guest/program.h"
#include "tracer/chain/recording_json.h"

namespace fs = std::filesystem;
using Catch::Matchers::ContainsSubstring;
using nlohmann::json;
using skbtrail::tests::run;
using skbtrail::tests::Scratch;

namespace {

json read_json(const fs::path& path) {
    std::ifstream file(path);
    REQUIRE(file);
    return json::parse(file);
}

void write_json(const fs::path& path, const json& value) {
    std::ofstream file(path);
    file << value;
    REQUIRE(file.flush());
}

json expectation() {
    return read_json(fs::path(SKBTRAIL_LABS) / "ping-receive" / "expect.json");
}

/// The chain of the expectation with that name.
json& chain_named(json& document, const std::string& name) {
    auto& chains = document.at("chains");
    const auto found = std::find_if(chains.begin(), chains.end(),
                                    [&](const json& chain) { return chain.at("name") == name; });
    REQUIRE(found != chains.end());
    return *found;
}

/// The step that calls `function`, found at any depth; null where there is none.
json* step_calling(json& value, const std::string& function) {
    if (value.is_object() && value.value("call", "") == function) {
        return &value;
    }
    if (value.is_structured()) {
        for (json& inner : value) {
            if (json* found = step_calling(inner, function)) {
                return found;
            }
        }
    }
    return nullptr;
}

}  // namespace

// One boot for all of this: what follows the run judges its recording again and again.
TEST_CASE("ping-receive passes on 6.12, and its judgement cannot be fooled") {
    const Scratch scratch;
    const fs::path results = scratch.path() / "results";
    const auto lab = run(scratch, {"skbtrail", "run", "ping-receive", "--output", results});
    INFO(lab.output);
    REQUIRE(lab.status == 0);
    CHECK(scratch.left_behind().empty());

    for (const char* name : {"recording.json", "verdict.json", "console.log", "nic.log",
                             "capture.pcap", "ring.jsonl", "output.txt"}) {
        INFO(name);
        CHECK(fs::exists(results / name));
    }
    CHECK(read_json(results / "verdict.json").at("outcome") == "passed");
    CHECK_THAT(lab.output, ContainsSubstring("virtnet_poll") &&
                               ContainsSubstring("sock_def_readable") &&
                               ContainsSubstring("start_xmit") && ContainsSubstring("descriptor"));

    const fs::path recording = results / "recording.json";
    const fs::path changed = scratch.path() / "changed.json";

    SECTION("the recording is a recording: it reads back, and joins the NIC's view") {
        const auto read = skbtrail::chain::load_recording(recording);
        CHECK(read.observed.kernel_release.starts_with("6.12."));
        CHECK(read.packets.size() >= 4);
        const auto joined = std::count_if(
            read.ring_events.begin(), read.ring_events.end(),
            [](const auto& event) { return event.event == "available" && event.packet; });
        CHECK(joined >= 2);
        CHECK(std::all_of(read.losses.begin(), read.losses.end(),
                          [](const auto& loss) { return loss.count == 0; }));
    }
    SECTION("a call that did not happen is named, with its place") {
        json document = expectation();
        step_calling(chain_named(document, "the echo reply is received"), "icmp_rcv")
            ->at("calls")
            .push_back({{"call", "icmp_echo"}});
        write_json(changed, document);
        const auto check = run(scratch, {"skbtrail", "check", recording, "--expect", changed});
        CHECK(check.status == 1);
        CHECK_THAT(check.output, ContainsSubstring("expected: icmp_echo") &&
                                     ContainsSubstring("icmp_rcv") &&
                                     ContainsSubstring("ip_protocol_deliver_rcu"));
    }
    SECTION("a function that this kernel does not have is told apart from one not called") {
        json document = expectation();
        step_calling(chain_named(document, "the echo reply is received"), "icmp_rcv")
            ->at("calls")
            .push_back({{"call", "icmp_frobnicate"}});
        write_json(changed, document);
        const auto check = run(scratch, {"skbtrail", "check", recording, "--expect", changed});
        CHECK(check.status == 1);
        CHECK_THAT(check.output,
                   ContainsSubstring("icmp_frobnicate cannot be seen on this kernel"));
    }
    SECTION("a recording with a loss does not pass") {
        json document = read_json(recording);
        REQUIRE(!document.at("losses").empty());
        for (json& loss : document.at("losses")) {
            if (loss.at("kind") == "ring_buffer_overrun") {
                loss["count"] = 3;
            }
        }
        write_json(changed, document);
        const auto check = run(scratch, {"skbtrail", "check", changed, "--lab", "ping-receive"});
        CHECK(check.status == 2);
        CHECK_THAT(check.output, ContainsSubstring("lost"));
    }
    SECTION("a call missing from the recording is a divergence") {
        json document = read_json(recording);
        bool removed = false;
        const auto remove = [&](auto& self, json& call) -> void {
            if (!call.contains("calls")) {
                return;
            }
            auto& calls = call.at("calls");
            const auto found = std::find_if(calls.begin(), calls.end(), [](const json& inner) {
                return inner.at("function") == "icmp_echo";
            });
            if (found != calls.end()) {
                calls.erase(found);
                removed = true;
                return;
            }
            for (json& inner : calls) {
                self(self, inner);
            }
        };
        for (json& chain : document.at("chains")) {
            remove(remove, chain.at("root"));
        }
        REQUIRE(removed);
        write_json(changed, document);
        const auto check = run(scratch, {"skbtrail", "check", changed, "--lab", "ping-receive"});
        CHECK(check.status == 1);
        CHECK_THAT(check.output, ContainsSubstring("expected: icmp_echo"));
    }
}
