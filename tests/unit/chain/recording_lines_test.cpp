// Recordings as lines: the same recording as the document, also in another order; one that was cut
// off says so; and each line is as the schema says.
#include "tracer/chain/recording_lines.h"

#include <sstream>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "tests/unit/chain/full_recording.h"
#include "tests/unit/schema_check.h"
#include "tracer/chain/recording_json.h"

using namespace skbtrail;
using Catch::Matchers::ContainsSubstring;

namespace {

std::string document_of(const chain::Recording& recording) {
    std::ostringstream out;
    chain::write_json(recording, out);
    return out.str();
}

/// What comes in lines: the NIC's events come from elsewhere.
chain::Recording streamed() {
    auto recording = test::full_recording();
    recording.ring_events.clear();
    recording.chains[0].root.start = 10;
    recording.chains[1].root.start = 20;
    return recording;
}

/// As a collector writes it: what is complete first comes first.
std::string lines_of(const chain::Recording& recording) {
    chain::Observed known = recording.observed;
    known.exit_status.reset();
    std::string text = chain::first_line(known);
    for (auto it = recording.chains.rbegin(); it != recording.chains.rend(); ++it) {
        text += chain::line_of(*it);
    }
    for (auto it = recording.packets.rbegin(); it != recording.packets.rend(); ++it) {
        text += chain::line_of(*it);
    }
    return text + chain::last_line(recording.observed, recording.losses);
}

}  // namespace

TEST_CASE("lines are read back as the recording that they are of") {
    const auto recording = streamed();
    const auto text = lines_of(recording);
    CHECK(std::count(text.begin(), text.end(), '\n') ==
          static_cast<std::ptrdiff_t>(2 + recording.chains.size() + recording.packets.size()));
    CHECK(chain::is_recording_lines(text));
    CHECK_FALSE(chain::is_recording_lines(document_of(recording)));
    CHECK(document_of(chain::parse_recording_lines(text)) == document_of(recording));
}

TEST_CASE("lines that were cut off are a recording with a loss, wherever they were cut") {
    const auto text = lines_of(streamed());
    const auto header = text.find('\n') + 1;
    for (std::size_t length = header; length < text.size(); length += 13) {
        const auto read = chain::parse_recording_lines(text.substr(0, length));
        REQUIRE(read.losses.size() == 1);
        CHECK(read.losses[0].kind == "lines_cut");
        CHECK(read.observed.kernel_release == streamed().observed.kernel_release);
    }
}

TEST_CASE("what is no line of a recording is refused, with its number") {
    const auto good = lines_of(streamed());
    const auto refusal = [](const std::string& text) {
        try {
            chain::parse_recording_lines(text);
        } catch (const chain::FormatError& error) {
            return std::string(error.what());
        }
        return std::string("accepted");
    };
    CHECK_THAT(refusal(good + "{}\n"), ContainsSubstring("behind the last line"));
    const auto header = good.substr(0, good.find('\n') + 1);
    CHECK_THAT(refusal(header + "{}\n"), ContainsSubstring("line 2"));
    CHECK_THAT(refusal(header + "\n"), ContainsSubstring("line 2"));
    CHECK_THAT(refusal(header + "{\"chain\":{}}\n"), ContainsSubstring("line 2: /chain"));
    auto newer = header;
    newer.replace(newer.find("\"version\":1"), 11, "\"version\":9");
    CHECK_THAT(refusal(newer), ContainsSubstring("line 1"));
    // Whole lines may not speak of packets that are not there.
    auto recording = streamed();
    recording.packets.pop_back();
    CHECK_THAT(refusal(lines_of(recording)), ContainsSubstring("there is no packet 7"));
}

TEST_CASE("each line is as the schema says") {
    const test::SchemaCheck schema("tracer/chain/recording.schema.json");
    const auto line = schema.definition("line");
    std::istringstream lines(lines_of(streamed()));
    for (std::string one; std::getline(lines, one);) CHECK(line.complaint(one).empty());
    CHECK_FALSE(line.complaint("{}").empty());
    CHECK_FALSE(line.complaint(R"({"chain":{}})").empty());
    CHECK_FALSE(line.complaint(R"({"observed":{"kernel_release":"6.12"}})").empty());
}
