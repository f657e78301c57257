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

#include "tests/guest/changed_recording.h"
#include "tests/guest/program.h"
#include "tests/places.h"
#include "tracer/chain/recording_json.h"

namespace fs = std::filesystem;
using Catch::Matchers::ContainsSubstring;
using nlohmann::json;
using skbtrail::tests::in_source;
using skbtrail::tests::run;
using skbtrail::tests::Scratch;
using skbtrail::tests::take_out;

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
    return read_json(in_source("labs/ping-receive/expect.json"));
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

/// The recording is a recording: it reads back, and joins the NIC's view.
void check_that_it_reads_back(const fs::path& recording) {
    const auto read = skbtrail::chain::load_recording(recording);
    CHECK(read.observed.kernel_release.starts_with("6.12."));
    CHECK(read.packets.size() >= 4);
    const auto joined =
        std::count_if(read.ring_events.begin(), read.ring_events.end(),
                      [](const auto& event) { return event.event == "available" && event.packet; });
    CHECK(joined >= 2);
    CHECK(std::all_of(read.losses.begin(), read.losses.end(),
                      [](const auto& loss) { return loss.count == 0; }));
}

/// `skbtrail check` of the recording against `document`, an expectation.
skbtrail::tests::Outcome check_against(const Scratch& scratch, const fs::path& recording,
                                       const json& document) {
    const fs::path changed = scratch.path() / "expectation.json";
    write_json(changed, document);
    return run(scratch, {"skbtrail", "check", recording, "--expect", changed});
}

/// The lab's expectation with one call more, of `function` by icmp_rcv.
json with_call_by_icmp_rcv(const std::string& function) {
    json document = expectation();
    step_calling(chain_named(document, "the echo reply is received"), "icmp_rcv")
        ->at("calls")
        .push_back({{"call", function}});
    return document;
}

/// A call that did not happen is named, with its place; a function that this kernel does not have
/// is told apart from one that was not called.
void check_what_was_not_called(const Scratch& scratch, const fs::path& recording) {
    const auto not_called = check_against(scratch, recording, with_call_by_icmp_rcv("icmp_echo"));
    CHECK(not_called.status == 1);
    CHECK_THAT(not_called.output, ContainsSubstring("expected: icmp_echo") &&
                                      ContainsSubstring("icmp_rcv") &&
                                      ContainsSubstring("ip_protocol_deliver_rcu"));
    const auto unknown =
        check_against(scratch, recording, with_call_by_icmp_rcv("icmp_frobnicate"));
    CHECK(unknown.status == 1);
    CHECK_THAT(unknown.output, ContainsSubstring("icmp_frobnicate cannot be seen on this kernel"));
}

/// A recording with a loss does not pass.
void check_what_was_lost(const Scratch& scratch, const fs::path& recording) {
    json document = read_json(recording);
    REQUIRE(!document.at("losses").empty());
    for (json& loss : document.at("losses")) {
        if (loss.at("kind") == "ring_buffer_overrun") {
            loss["count"] = 3;
        }
    }
    const fs::path changed = scratch.path() / "lost.json";
    write_json(changed, document);
    const auto check = run(scratch, {"skbtrail", "check", changed, "--lab", "ping-receive"});
    CHECK(check.status == 2);
    CHECK_THAT(check.output, ContainsSubstring("lost"));
}

/// A call missing from the recording is a divergence.
void check_what_is_missing(const Scratch& scratch, const fs::path& recording) {
    const fs::path changed = scratch.path() / "missing.json";
    take_out(recording, "icmp_echo", changed);
    const auto check = run(scratch, {"skbtrail", "check", changed, "--lab", "ping-receive"});
    CHECK(check.status == 1);
    CHECK_THAT(check.output, ContainsSubstring("expected: icmp_echo"));
}

/// `expect new` writes down what came, which does not pass before somebody has taken the mark off;
/// then it is what came.
void check_the_first_draft(const Scratch& scratch, const fs::path& recording) {
    const fs::path draft = scratch.path() / "draft.json";
    const auto made = run(scratch, {"skbtrail", "expect", "new", recording, "-o", draft});
    INFO(made.output);
    REQUIRE(made.status == 0);
    json document = read_json(draft);
    CHECK(document.at("draft") == true);
    const auto as_draft = check_against(scratch, recording, document);
    CHECK(as_draft.status == 2);
    CHECK_THAT(as_draft.output, ContainsSubstring("draft"));
    document.erase("draft");
    const auto read = check_against(scratch, recording, document);
    INFO(read.output);
    CHECK(read.status == 0);
    document.at("chains").at(0)["count"] = {{"min", 9}};
    CHECK(check_against(scratch, recording, document).status == 1);
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
    check_that_it_reads_back(recording);
    check_what_was_not_called(scratch, recording);
    check_what_was_lost(scratch, recording);
    check_what_is_missing(scratch, recording);
    check_the_first_draft(scratch, recording);
}
