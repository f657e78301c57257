// Recordings: what is written is read back the same, and what is not a recording is refused with a
// sentence that names the place.
#include "tracer/chain/recording_json.h"

#include <random>
#include <string>
#include <system_error>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <nlohmann/json.hpp>

#include "tests/places.h"
#include "tests/unit/chain/full_recording.h"
#include "tests/unit/recording_builder.h"
#include "tests/unit/schema_check.h"
#include "tracer/chain/json_reader.h"

using namespace skbtrail;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::Equals;
using test::call;
using test::full_recording;
using test::text_of;

namespace {

/// The smallest recording, with `members` in it as well.
std::string with(const std::string& members) {
    return R"({"format":"skbtrail-recording","version":1,"observed":{"kernel_release":"6.12"},)"
           R"("losses":[],"packets":[],)" +
           members + "}";
}

}  // namespace

TEST_CASE("a recording is read back as it was written") {
    const std::string text = text_of(full_recording());
    CHECK(text_of(chain::parse_recording(text)) == text);
    // Nothing is lost because both directions forget it: every member of the text is in the schema,
    // and the schema's members all are in the text.
    const chain::Recording read = chain::parse_recording(text);
    CHECK(read.observed.page_offset == 0xffff888000000000);
    CHECK(read.losses.back().count == 1ULL << 62U);
    CHECK(read.chains[0].root.calls[0].skbs[0].transport_header == 98);
    CHECK_FALSE(read.chains[0].root.duration);
    CHECK(read.chains[1].root.calls[0].incomplete == "why");
    CHECK(read.ring_events[0].descriptors[1].device_writable);
    CHECK(read.packets[0].summary == "a \"ping\" é \t");
}

TEST_CASE("an empty recording is read back") {
    chain::Recording empty;
    empty.observed.kernel_release = "6.12";
    CHECK(text_of(chain::parse_recording(text_of(empty))) == text_of(empty));
}

TEST_CASE("what is written is as the schema says, and uses all of it") {
    const test::SchemaCheck schema("tracer/chain/recording.schema.json");
    const std::string text = text_of(full_recording());
    CHECK_THAT(schema.complaint(text), Equals(""));
    CHECK_THAT(schema.complaint(text_of(test::RecordingBuilder().build())), Equals(""));

    // The other direction: each member that the schema describes is written by full_recording().
    for (const auto& [name, definition] : schema.document()["definitions"].items()) {
        if (!definition.contains("properties")) continue;
        for (const auto& [member, described] : definition["properties"].items()) {
            INFO(name << "." << member);
            CHECK(text.find("\"" + member + "\":") != std::string::npos);
        }
    }
}

TEST_CASE("the schema refuses what the reader refuses") {
    const test::SchemaCheck schema("tracer/chain/recording.schema.json");
    for (const char* members :
         {R"("chains":[{"id":1}])", R"("chains":[],"extra":1)", R"("chains":5)",
          R"("chains":[{"id":1,"cpu":0,"context":"nmi","root":{"function":"a","start":0}}])",
          R"("chains":[{"id":-1,"cpu":0,"context":"task","root":{"function":"a","start":0}}])"}) {
        INFO(members);
        CHECK(schema.complaint(with(members)) != "");
        CHECK_THROWS_AS(chain::parse_recording(with(members)), chain::FormatError);
    }
}

TEST_CASE("every member of the format is described") {
    const test::SchemaCheck schema("tracer/chain/recording.schema.json");
    const auto& document = schema.document();
    const auto is_described = [&](const nlohmann::json& member) {
        if (member.contains("description")) return true;
        const std::string reference = member.value("$ref", "");
        const std::string name = reference.substr(reference.rfind('/') + 1);
        return document["definitions"].contains(name) &&
               document["definitions"][name].contains("description");
    };
    for (const auto& [member, described] : document["properties"].items()) {
        INFO(member);
        CHECK(is_described(described));
    }
    for (const auto& [name, definition] : document["definitions"].items()) {
        if (!definition.contains("properties")) continue;
        INFO(name);
        CHECK(definition.contains("description"));
        for (const auto& [member, described] : definition["properties"].items()) {
            INFO(member);
            CHECK(is_described(described));
        }
    }
}

TEST_CASE("docs/recording.md names every member") {
    const test::SchemaCheck schema("tracer/chain/recording.schema.json");
    const std::string page = chain::read_file(tests::in_source("docs/recording.md"));
    for (const auto& [name, definition] : schema.document()["definitions"].items()) {
        if (!definition.contains("properties")) continue;
        for (const auto& [member, described] : definition["properties"].items()) {
            INFO(name << "." << member);
            CHECK(page.find("`" + member + "`") != std::string::npos);
        }
    }
}

TEST_CASE("what is not a recording is refused, and the sentence says what is wrong") {
    struct Case {
        std::string text;
        const char* sentence;
    };
    const std::string deep = R"("chains":[{"id":1,"cpu":0,"context":"task","root":)" + []() {
        std::string text;
        for (int i = 0; i < 100'000; ++i) {
            text += R"({"function":"f","start":0,"calls":[)";
        }
        return text;
    }();
    const Case c = GENERATE_COPY(values<Case>({
        {"", "there is nothing in it: the text is empty"},
        {" \n", "there is nothing in it: the text is empty"},
        {"hello", "line 1, column 1: this is not JSON"},
        {"{\n  \"format\": \"skbtrail-recording\",\n  oops\n}",
         "line 3, column 3: this is not JSON"},
        {"{\"format\":\"skbtrail-recording\",", "was it cut short?"},
        {text_of(full_recording()).substr(0, 900), "was it cut short?"},
        {"\xff\xfe", "this is not JSON"},
        {"{} {}", "this is not JSON"},
        {"[]",
         "this is not a recording: it is an array where a recording has \"format\": "
         "\"skbtrail-recording\""},
        {"7", "this is not a recording: it is 7"},
        {"{}", "this is not a recording: a recording has \"format\": \"skbtrail-recording\""},
        {R"({"format":"skbtrail-lab","version":1})",
         "this is not a recording: its format is \"skbtrail-lab\""},
        {R"({"format":"skbtrail-recording"})", "the member \"version\" is missing"},
        {R"({"format":"skbtrail-recording","version":2,"spans":[{}]})",
         "/version: this was made by a newer skbtrail: it is a recording of version 2"},
        {R"({"chains":[{"new":1}],"format":"skbtrail-recording","version":2})",
         "this was made by a newer skbtrail"},
        {R"({"format":"skbtrail-recording","version":0})", "there is no version 0"},
        {R"({"format":"skbtrail-recording","version":"1"})", "/version: expected an integer from"},
        {R"({"format":"skbtrail-recording","version":1})", "the member \"observed\" is missing"},
        {R"({"format":"skbtrail-recording","version":1,"observed":{"kernel_release":"6"},
             "packets":[],"chains":[]})",
         "the member \"losses\" is missing"},
        {with(R"("chains":{})"), "/chains: expected an array, found an object"},
        {with(R"("chain":[])"), "/chain: unknown key; did you mean \"chains\"?"},
        {with(R"("chains":[],"ring_event":[])"),
         "/ring_event: unknown key; did you mean \"ring_events\"?"},
        {with(R"("chains":[],"chains":[])"), "/chains: this key stands twice"},
        {with(R"("chains":[7])"), "/chains/0: expected an object, found 7"},
        {with(R"("chains":[{"id":1,"cpu":0,"context":"nmi","root":{}}])"),
         "/chains/0/context: \"nmi\" is no context; expected \"task\", \"softirq\" or \"hardirq\""},
        {with(R"("chains":[{"id":1,"cpu":0,"context":"task","root":{"functoin":"a"}}])"),
         "/chains/0/root/functoin: unknown key; did you mean \"function\"?"},
        {with(R"("chains":[{"id":1,"cpu":0,"context":"task","root":
                {"function":"a","start":0,"calls":[{"function":"b"}]}}])"),
         "/chains/0/root/calls/0: the member \"start\" is missing"},
        {with(R"("chains":[{"id":1,"cpu":-1,"context":"task","root":{"function":"a","start":0}}])"),
         "/chains/0/cpu: expected an integer from 0 to 4294967295, found -1"},
        {with(R"("chains":[{"id":99999999999,"cpu":0}])"),
         "/chains/0/id: expected an integer from 0 to 4294967295, found 99999999999"},
        {with(R"("chains":[{"id":1e400,"cpu":0}])"), "this is not JSON: number overflow"},
        {with(R"("chains":[{"id":1.5,"cpu":0}])"), "/chains/0/id: expected an integer"},
        {with(R"("chains":[{"id":123456789012345678901234567890,"cpu":0}])"),
         "/chains/0/id: expected an integer"},
        {with(R"("chains":[{"id":1,"cpu":0,"context":"task","root":
                {"function":"a","start":99999999999999999999}}])"),
         "/chains/0/root/start: expected an integer"},
        {with(R"("chains":[{"id":1,"cpu":0,"context":"task","root":
                {"function":"a","start":0,"skbs":[{"address":17}]}}])"),
         "/chains/0/root/skbs/0/address: expected an address as a string like"},
        {with(R"("chains":[{"id":1,"cpu":0,"context":"task","root":
                {"function":"a","start":0,"skbs":[{"address":"0x12345678901234567"}]}}])"),
         "at most 64 bits"},
        {with(R"("chains":[{"id":1,"cpu":0,"context":"task","root":{"function":"a","start":0}},
                           {"id":1,"cpu":0,"context":"task","root":{"function":"a","start":0}}])"),
         "/chains/1/id: another chain has this id already"},
        {with(R"("chains":[{"id":1,"cpu":0,"context":"task","root":{"function":"a","start":0,
                "calls":[{"function":"b","start":1},{"function":"c","start":1,"skbs":[
                {"packet":9,"address":"0x1","head":"0x1","data":0,"tail":0,"end":0,"len":0}]}]}}])"),
         "/chains/0/root/calls/1/skbs/0/packet: there is no packet 9 in this recording"},
        {with(R"("chains":[],"ring_events":[{"sequence":1,"time":1,"queue":0,"event":"used",
                 "packet":3}])"),
         "/ring_events/0/packet: there is no packet 3"},
        {with(deep), "nested more than 512 levels deep"},
    }));
    INFO(c.text.substr(0, 300));
    CHECK_THROWS_MATCHES(chain::parse_recording(c.text), chain::FormatError,
                         Catch::Matchers::MessageMatches(ContainsSubstring(c.sentence)));
}

TEST_CASE("every truncation of a recording is refused") {
    const std::string text = text_of(full_recording());
    for (std::size_t length = 0; length + 2 < text.size(); length += 7) {
        CHECK_THROWS_AS(chain::parse_recording(text.substr(0, length)), chain::FormatError);
    }
}

TEST_CASE("a recording with broken bytes is read or refused, never more") {
    const std::string text = text_of(full_recording());
    std::mt19937 random(20240601);  // the same bytes each time
    for (int round = 0; round < 3000; ++round) {
        std::string broken = text;
        for (int i = 0; i < 3; ++i) {
            const std::size_t place = random() % broken.size();
            switch (random() % 3) {
                case 0:
                    broken[place] = static_cast<char>(random());
                    break;
                case 1:
                    broken.erase(place, random() % 20);
                    break;
                default:
                    broken.insert(place, broken.substr(random() % broken.size(), random() % 40));
            }
        }
        try {
            chain::parse_recording(broken);
        } catch (const chain::FormatError& error) {
            CHECK_FALSE(std::string(error.what()).empty());
        }
    }
}

TEST_CASE("a name that is not UTF-8 is written as text that is") {
    auto recording = test::RecordingBuilder().chain(call("a")).build();
    recording.chains[0].comm = "p\xffing\xc3\xa4\xed\xa0\x80\xf0\x9f";
    const auto read = chain::parse_recording(text_of(recording));
    CHECK(read.chains[0].comm ==
          "p\xEF\xBF\xBDing\xc3\xa4\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"
          "\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST_CASE("a file that cannot be read, or is no recording, is named") {
    CHECK_THROWS_MATCHES(chain::load_recording("/nonexistent/recording.json"), std::system_error,
                         Catch::Matchers::MessageMatches(
                             ContainsSubstring("/nonexistent/recording.json: No such file")));
    CHECK_THROWS_MATCHES(
        chain::load_recording("/"), std::system_error,
        Catch::Matchers::MessageMatches(ContainsSubstring("cannot read /: Is a directory")));
    const std::string schema = tests::in_source("tracer/chain/recording.schema.json");
    CHECK_THROWS_MATCHES(
        chain::load_recording(schema), chain::FormatError,
        Catch::Matchers::MessageMatches(ContainsSubstring(schema + ": this is not a recording")));
}

TEST_CASE("a ring event is a line of its own") {
    const auto event = chain::parse_ring_event(
        R"({"sequence":1,"time":17,"queue":1,"event":"available","index":5,"head":3,"length":110,
            "descriptors":[{"address":"0x7f00","length":110,"device_writable":false}]})");
    CHECK(event.queue == 1);
    CHECK(event.descriptors.at(0).address == 0x7f00);
    CHECK_THROWS_MATCHES(
        chain::parse_ring_event(R"({"sequence":1,"time":17,"queue":1,"evnet":"used"})"),
        chain::FormatError,
        Catch::Matchers::MessageMatches(
            ContainsSubstring("/evnet: unknown key; did you mean \"event\"?")));
    CHECK_THROWS_AS(chain::parse_ring_event(R"({"sequence":1,"ti)"), chain::FormatError);
}
