// Fuzzes the reader of recordings as lines of JSON, which another machine's collector wrote, or a
// pipe cut. Input: the file.
//
// What is taken is a recording: written as lines again and read, it says the same, and so does the
// document of it. Cut anywhere behind its first line it is still a recording, with a loss more.

#include <sstream>
#include <string>
#include <string_view>

#include "tests/hostile/fuzz/invariant.h"
#include "tracer/chain/format_error.h"
#include "tracer/chain/recording_json.h"
#include "tracer/chain/recording_lines.h"

using namespace skbtrail;
using hostile::require;

namespace {

std::string document_of(const chain::Recording& recording) {
    std::ostringstream text;
    chain::write_json(recording, text);
    return std::move(text).str();
}

std::string lines_of(const chain::Recording& recording) {
    auto text = chain::first_line(recording.observed);
    for (const auto& one : recording.chains) text += chain::line_of(one);
    for (const auto& one : recording.packets) text += chain::line_of(one);
    return text + chain::last_line(recording.observed, recording.losses);
}

bool was_cut(const chain::Recording& recording) {
    return !recording.losses.empty() && recording.losses.back().kind == "lines_cut";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const hostile::DescriptorsBalance balance;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    chain::Recording recording;
    try {
        recording = chain::parse_recording_lines(text);
    } catch (const chain::FormatError&) {
        return 0;
    }
    require(recording.ring_events.empty(), "lines have no ring events");
    const auto document = document_of(recording);
    const auto lines = lines_of(recording);
    require(chain::is_recording_lines(lines), "its own lines are not known as such");
    require(document_of(chain::parse_recording_lines(lines)) == document,
            "lines that were read back say something else");
    require(document_of(chain::parse_recording(document)) == document,
            "the document of it says something else");

    // Cut in the middle of the last line, as a full disk does.
    const auto cut = lines.substr(0, lines.size() - 1);
    require(was_cut(chain::parse_recording_lines(cut)), "a cut is not noticed");
    return 0;
}
