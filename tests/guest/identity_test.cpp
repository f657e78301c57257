// Who is who: frames that each carry a serial number go into a guest and come out of it, and the
// recording has to tell what became of every one of them.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <fmt/format.h>

#include "tests/guest/identity_frames.h"
#include "tests/guest/identity_grade.h"
#include "tests/guest/program.h"
#include "tests/places.h"
#include "tracer/chain/recording_json.h"

namespace fs = std::filesystem;
using namespace skbtrail::tests;

namespace {

/// The lab of identity/ with `count` frames to play; and its truth, as far as it is known before.
Truth make_lab(const fs::path& folder, std::size_t count) {
    fs::create_directories(folder);
    for (const char* name : {"lab.json", "prepare.sh", "run.sh", "expect.json"}) {
        fs::copy_file(in_source(fmt::format("tests/guest/identity/{}", name)), folder / name);
    }
    fs::copy_file(built_program("skbtrail-test-traffic"), folder / "traffic");
    Truth truth;
    truth.frames = write_frames(folder / "frames.pcap", count, 1);
    std::ofstream send(folder / "send.sh");
    const auto add = [&](Errand errand, std::size_t messages, std::uint32_t parts,
                         const char* size) {
        const auto from = static_cast<std::uint32_t>(truth.frames.size() + 1);
        send << fmt::format("/lab/traffic send {} {} {}\n", from, messages, size);
        for (std::uint32_t i = 0; i < messages * parts; ++i) {
            truth.frames.push_back({from + i, errand, from + i / parts * parts});
        }
    };
    add(Errand::sent, count / 10 + 1, 1, "200 10.0.2.2 6000");
    add(Errand::cut, count / 50 + 1, 4, "2000 10.0.2.2 6000 500");
    add(Errand::piece, count / 50 + 1, 3, "4000 10.0.2.2 6000");
    return truth;
}

struct Extent {
    std::size_t frames = 300;
    std::string kernel = "6.12";
    std::chrono::seconds limit{240};
    fs::path results = {};  ///< where they stay; empty: they do not
};

void record_and_grade(const Extent& extent) {
    const Scratch scratch;
    auto truth = make_lab(scratch.path() / "labs" / "identity", extent.frames);
    const fs::path results = extent.results.empty() ? scratch.path() / "results" : extent.results;
    Program lab(scratch, {"skbtrail", "run", "identity", "--labs", scratch.path() / "labs",
                          "--output", results, "--kernel", extent.kernel});
    const int status = lab.wait(extent.limit);
    INFO(lab.output());
    // What the probes missed is counted, and keeps a recording from passing (status 2); whether the
    // packets are told apart all the same is what is graded here.
    REQUIRE((status == 0 || status == 2));
    REQUIRE(fs::exists(results / "recording.json"));
    const auto output = text_of(results / "output.txt");
    read_sockets(output, {"udp", "packet"}, truth);
    truth.captured = read_capture(results / "capture.pcap");
    const auto recording = skbtrail::chain::load_recording(results / "recording.json");
    const auto graded = grade(recording, truth);
    std::uint64_t hidden = 0;
    for (const auto& loss : recording.losses) hidden += loss.count;
    std::cout << fmt::format("{}: {}, {} losses", extent.kernel, graded.text(), hidden)
              << std::endl;
    INFO(graded.text());
    // Where the kernel hid calls from the probes (and counted them), a packet may have gone unseen.
    const double wanted = hidden == 0 ? 1 : 0.9;
    CHECK(graded.precision() >= wanted);
    CHECK(graded.recall() >= wanted);
}

}  // namespace

TEST_CASE("each serial number ends in one packet's history, with its fate") {
    record_and_grade({});
}

// Where kprobe events tell who is who, some of what the packets carry lies where those do not
// reach.
TEST_CASE("each serial number ends in one packet's history on 6.1, too", "[.all]") {
    record_and_grade({.frames = 150, .kernel = "6.1", .limit = std::chrono::minutes(4)});
}

// By hand, at length: the environment says how much, where, and what to keep.
TEST_CASE("thousands of serial numbers", "[.long]") {
    const auto given = [](const char* name, const std::string& otherwise) {
        const char* value = std::getenv(name);
        return value == nullptr ? otherwise : std::string(value);
    };
    record_and_grade({.frames = std::stoul(given("SKBTRAIL_IDENTITY_FRAMES", "2000")),
                      .kernel = given("SKBTRAIL_IDENTITY_KERNEL", "6.12"),
                      .limit = std::chrono::minutes(10),
                      .results = given("SKBTRAIL_IDENTITY_RESULTS", "")});
}
