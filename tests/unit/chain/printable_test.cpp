#include "tracer/chain/printable.h"

#include <string>

#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>

#include "tests/unit/chain/full_recording.h"
#include "tracer/chain/format_error.h"
#include "tracer/chain/recording_json.h"

namespace skbtrail::chain {
namespace {

using nlohmann::json;
using test::text_of;

TEST_CASE("no text of a recording, whichever it is, reaches a terminal as it came") {
    const auto document = json::parse(text_of(test::full_recording()));
    std::size_t texts = 0;
    const auto places = document.flatten();
    for (const auto& [place, value] : places.items()) {
        if (!value.is_string()) continue;
        auto hostile = document;
        hostile[json::json_pointer(place)] = "\x1b]0;owned\x07" + value.get<std::string>();
        Recording recording;
        try {
            recording = parse_recording(hostile.dump());
        } catch (const FormatError&) {
            continue;  // no free text: an address, a context
        }
        ++texts;
        CAPTURE(place);
        make_printable(recording);
        const auto cleaned = text_of(recording);
        CHECK(cleaned.find("\\u001b") == std::string::npos);
        CHECK(cleaned.find("\\u0007") == std::string::npos);
        CHECK(cleaned.find(" ]0;owned ") != std::string::npos);
    }
    CHECK(texts > 40);
}

TEST_CASE("a key of a recording's tables is a text, too") {
    Recording recording;
    recording.observed.host["\x1b[2Jlab"] = "ping";
    recording.packets.emplace_back().headers["ip\x7f"] = "é";
    make_printable(recording);
    CHECK(recording.observed.host.at(" [2Jlab") == "ping");
    CHECK(recording.packets[0].headers.at("ip ") == "é");
}

TEST_CASE("what is harmless stays as it is") {
    // Its one tabulator is what a terminal would act upon.
    auto recording = test::full_recording();
    recording.packets[0].summary = "a \"ping\" é";
    const auto before = text_of(recording);
    make_printable(recording);
    CHECK(text_of(recording) == before);
}

}  // namespace
}  // namespace skbtrail::chain
