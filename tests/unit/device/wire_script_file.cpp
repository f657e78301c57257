// Script files: what is understood, and what is said of those that are not.
#include <filesystem>
#include <fstream>
#include <iterator>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "device/wire/script_file.h"
#include "tests/places.h"

namespace skbtrail::device {

using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;

namespace {

std::string with_steps(const std::string& steps) {
    return R"({"format": "skbtrail-script", "version": 1, "steps": [)" + steps + "]}";
}

std::string with_send(const std::string& frame) {
    return with_steps(R"({"name": "s", "send": )" + frame + "}");
}

std::string with_frame_trigger(const std::string& pattern) {
    return with_steps(R"({"when": {"frame": )" + pattern + R"(}, "send": {"raw": ")" +
                      std::string(28, '0') + R"("}})");
}

}  // namespace

TEST_CASE("a whole script is understood", "[wire][script]") {
    const Script script = parse_script(R"({
        "format": "skbtrail-script", "version": 1, "uplink": "nat,restrict=on",
        "steps": [
            {"name": "ping", "when": {"frame": {"from": "guest", "icmp.type": 8}, "count": 3},
             "after_ms": 200,
             "send": {"ethernet": {"source": "52:55:0a:00:02:02", "destination": "guest"},
                      "ipv4": {"source": "10.0.2.2", "destination": "10.0.2.15"},
                      "icmp": {"type": "echo-request", "id": 7, "sequence": 1}},
             "expect": {"frame": {"from": "guest", "icmp.type": "echo-reply"}, "count": 2,
                        "within_ms": 1500}},
            {"when": {"step": "ping"}, "send": [{"raw": "000000000000000000000000 0800"},
                                                {"raw": "000000000000000000000000 0806"}]},
            {"when": "start", "expect": {"frame": {"arp.operation": "request"}}}]})",
                                       "whole.json");
    CHECK(script.file == "whole.json");
    CHECK(script.uplink == "nat,restrict=on");
    REQUIRE(script.steps.size() == 3);

    const auto& ping = script.steps[0];
    CHECK(ping.name == "ping");
    CHECK(ping.after == std::chrono::milliseconds(200));
    const auto& trigger = std::get<OnFrame>(ping.when);
    CHECK(trigger.count == 3);
    CHECK(trigger.frame.from == FrameOrigin::guest);
    CHECK(trigger.frame.headers == HeaderWords{{"icmp.type", "echo-request"}});
    CHECK(trigger.frame.describe() == "icmp.type=echo-request from the guest");
    REQUIRE(ping.expect);
    CHECK(ping.expect->count == 2);
    CHECK(ping.expect->within == std::chrono::milliseconds(1500));

    CHECK(script.steps[1].name == "step 2");
    CHECK(std::get<OnStepDone>(script.steps[1].when).step == 0);
    CHECK(script.steps[1].send.size() == 2);

    CHECK(std::holds_alternative<OnStart>(script.steps[2].when));
    CHECK(script.steps[2].send.empty());
    CHECK(script.steps[2].expect->within == std::chrono::milliseconds(5000));
}

TEST_CASE("a malformed script is told by file, place and expectation", "[wire][script]") {
    struct Case {
        std::string text;
        std::string sentence;
    };
    const std::string mac = R"("ethernet": {"source": "52:55:0a:00:02:02"})";
    const std::string ip = R"("ipv4": {"source": "10.0.2.2", "destination": "10.0.2.15"})";
    const auto wrong = GENERATE_COPY(
        // Not a script at all.
        Case{"", "not JSON: parse error at line 1, column 1"},
        Case{"{\n \"format\": oops}", "not JSON: parse error at line 2"},
        Case{"[1e999]", "not JSON: number overflow parsing"},
        Case{"[]", "at the top: expected an object, came an array"},
        Case{"{}", "at the top: \"format\" is missing: \"skbtrail-script\""},
        Case{R"({"format": "skbtrail-recording", "version": 1})",
             "at /format: this is no script for a wire"},
        Case{R"({"format": "skbtrail-script", "version": 2, "new": 1})",
             "at /version: this skbtrail understands version 1; a newer one may know it"},
        Case{R"({"format": "skbtrail-script", "version": "1"})",
             "at /version: expected a whole number from 1"},
        Case{R"({"format": "skbtrail-script", "version": 1})", "\"steps\" is missing"},
        Case{R"({"format": "skbtrail-script", "version": 1, "step": []})",
             "there is no \"step\" here; did you mean \"steps\"?"},
        Case{R"({"format": "skbtrail-script", "version": 1, "uplink": 5, "steps": []})",
             "at /uplink: expected a string, came 5"},
        Case{R"({"format": "skbtrail-script", "version": 1, "steps": {}})",
             "at /steps: expected an array, came an object"},
        // Steps.
        Case{with_steps("3"), "at /steps/0: expected an object, came 3"},
        Case{with_steps("{}"), "at /steps/0: this step does nothing"},
        Case{with_steps(R"({"send": []})"), "at /steps/0: this step does nothing"},
        Case{with_steps(R"({"sned": []})"),
             "at /steps/0: there is no \"sned\" here; did you mean \"send\"?"},
        Case{
            with_steps(
                R"({"name": "a", "expect": {"frame": {}}}, {"name": "a", "expect": {"frame": {}}})"),
            "at /steps/1/name: another step is named \"a\" too"},
        Case{with_steps(R"({"after_ms": -1, "expect": {"frame": {}}})"),
             "at /steps/0/after_ms: expected a whole number from 0 to 86400000, came -1"},
        Case{with_steps(R"({"after_ms": 1.5, "expect": {"frame": {}}})"), "came 1.5"},
        Case{with_steps(R"({"after_ms": 99999999999, "expect": {"frame": {}}})"),
             "expected a whole"},
        // Triggers and expectations.
        Case{with_steps(R"({"when": "begin", "expect": {"frame": {}}})"),
             "at /steps/0/when: expected \"start\", {\"frame\""},
        Case{with_steps(R"({"when": {}, "expect": {"frame": {}}})"), "at /steps/0/when: expected"},
        Case{with_steps(R"({"when": {"frame": {}, "step": "x"}, "expect": {"frame": {}}})"),
             "at /steps/0/when: expected"},
        Case{with_steps(R"({"name": "a", "when": {"step": "a"}, "expect": {"frame": {}}})"),
             "at /steps/0/when/step: no earlier step is named \"a\"; there are none"},
        Case{
            with_steps(
                R"({"name": "one", "expect": {"frame": {}}}, {"when": {"step": "on"}, "expect": {"frame": {}}})"),
            "at /steps/1/when/step: no earlier step is named \"on\"; did you mean \"one\"?"},
        Case{with_steps(R"({"when": {"frame": {}, "count": 0}, "expect": {"frame": {}}})"),
             "at /steps/0/when/count: expected a whole number from 1"},
        Case{with_frame_trigger(R"({"from": "host"})"),
             "at /steps/0/when/frame/from: expected \"guest\" or \"uplink\", came \"host\""},
        Case{with_frame_trigger(R"({"icmp.typ": 8})"),
             "at /steps/0/when/frame/icmp.typ: no frame has a \"icmp.typ\"; did you mean "
             "\"icmp.type\"?"},
        Case{with_frame_trigger(R"({"icmp.type": "ping"})"),
             "expected \"echo-request\", \"echo-reply\", \"destination-unreachable\" or a number "
             "from 0 to 255, came \"ping\""},
        Case{with_frame_trigger(R"({"icmp.type": null})"),
             "expected a string or a whole number, came null"},
        Case{with_steps(R"({"expect": {}})"), "at /steps/0/expect: \"frame\" is missing"},
        // Frames.
        Case{with_send("{}"), "at /steps/0/send: \"ethernet\" is missing"},
        Case{with_send("{" + mac + "}"), "at /steps/0/send: expected \"arp\", \"ipv4\""},
        Case{with_send(R"({"ethernet": {"source": "x"}})"),
             "at /steps/0/send/ethernet/source: expected \"guest\" or a MAC address like"},
        Case{with_send("{" + mac + R"(, "ipv4": {"source": "10.0.2", "destination": "1.2.3.4"}})"),
             "at /steps/0/send/ipv4/source: expected an IPv4 address, came \"10.0.2\""},
        Case{with_send("{" + mac + R"(, "ipv4": {"source": "10.0.2.2"}})"),
             "at /steps/0/send/ipv4: \"destination\" is missing"},
        Case{with_send("{" + mac + "," + ip + R"(, "arp": {}})"),
             "a frame carries one of \"arp\", \"ipv4\" and"},
        Case{with_send("{" + mac + R"(, "arp": {"operation": "ask"}})"),
             "at /steps/0/send/arp/operation: expected \"request\", \"reply\""},
        Case{with_send("{" + mac + R"(, "icmp": {"type": 8}})"), "expected \"arp\", \"ipv4\""},
        Case{with_send(R"({"ethernet": {"source": "guest", "type": 1}, "icmp": {"type": 8}})"),
             "at /steps/0/send/icmp: \"icmp\" needs \"ipv4\" around it"},
        Case{with_send("{" + mac + "," + ip +
                       R"(, "icmp": {"type": 8}, "udp": {"source": 1, "destination": 2}})"),
             "at /steps/0/send/udp: a frame carries one of"},
        Case{with_send("{" + mac + "," + ip + R"(, "icmp": {}})"), "/icmp: \"type\" is missing"},
        Case{
            with_send("{" + mac + "," + ip + R"(, "icmp": {"type": "echo-request", "id": 70000}})"),
            "/icmp/id: expected a whole number from 0 to 65535, came 70000"},
        Case{with_send("{" + mac + "," + ip + R"(, "udp": {"source": 1}})"),
             "\"destination\" is missing: a port"},
        Case{with_send("{" + mac + "," + ip +
                       R"(, "tcp": {"source": 1, "destination": 2, "flags": "SIN"}})"),
             "/tcp/flags: expected flags joined by commas"},
        Case{with_send("{" + mac + "," + ip + R"(, "payload": {"hex": "d"}})"),
             "/payload/hex: expected pairs of hexadecimal digits, came \"d\""},
        Case{with_send("{" + mac + "," + ip + R"(, "payload": {"hex": "zz"}})"),
             "pairs of hexadecimal"},
        Case{with_send("{" + mac + "," + ip + R"(, "payload": {"hex": "", "size": 1}})"),
             "expected one of \"text\", \"hex\" and \"size\""},
        Case{with_send("{" + mac + "," + ip + R"(, "payload": {"size": 70000}})"),
             "expected a whole number"},
        Case{with_send(R"({"raw": "00"})"), "at /steps/0/send/raw: 1 bytes are too few"},
        Case{with_send(R"({"raw": "00", "payload": "x"})"), "there is no \"payload\" here"},
        Case{with_send(R"([{"raw": ")" + std::string(28, '0') + R"("}, {"raw": 5}])"),
             "at /steps/0/send/1/raw: expected a string, came 5"});
    CAPTURE(wrong.text);
    CHECK_THROWS_AS(parse_script(wrong.text, "bad.json"), ScriptError);
    CHECK_THROWS_WITH(parse_script(wrong.text, "bad.json"),
                      StartsWith("bad.json: ") && ContainsSubstring(wrong.sentence));
}

TEST_CASE("a script is bounded", "[wire][script]") {
    std::string steps;
    for (int i = 0; i <= 1000; ++i) {
        steps += fmt::format("{}{{\"expect\": {{\"frame\": {{}}}}}}", i == 0 ? "" : ",");
    }
    CHECK_THROWS_WITH(parse_script(with_steps(steps), "long.json"),
                      ContainsSubstring("1001 elements are too many; at most 1000"));
    const std::string deep = std::string(100'000, '[');
    CHECK_THROWS_AS(parse_script(deep, "deep.json"), ScriptError);
    CHECK_THROWS_AS(parse_script(deep + std::string(100'000, ']'), "deep.json"), ScriptError);
}

TEST_CASE("a script cut at any byte is refused", "[wire][script]") {
    const std::string whole =
        with_send(R"({"ethernet": {"source": "guest", "type": "0x88b5"}, "payload": "ü"})");
    REQUIRE_NOTHROW(parse_script(whole, "whole.json"));
    for (std::size_t size = 0; size < whole.size(); ++size) {
        CHECK_THROWS_AS(parse_script(whole.substr(0, size), "cut.json"), ScriptError);
    }
}

TEST_CASE("the script in the documentation is one", "[wire][script]") {
    std::ifstream stream(tests::in_source("docs/wires.md"));
    const std::string page{std::istreambuf_iterator<char>(stream), {}};
    const std::string fence = "```json\n";
    const auto begin = page.find(fence);
    REQUIRE(begin != std::string::npos);
    const auto end = page.find("```", begin + fence.size());
    const auto example = page.substr(begin + fence.size(), end - begin - fence.size());
    const Script script = parse_script(example, "docs/wires.md");
    CHECK(script.steps.size() == 1);
    CHECK(recipe_size(script.steps.front().send.front().recipe) == 98);
}

TEST_CASE("files that cannot be read are told with their reason", "[wire][script]") {
    const auto folder =
        std::filesystem::temp_directory_path() / fmt::format("skbtrail-script-{}", ::getpid());
    std::filesystem::create_directory(folder);
    CHECK_THROWS_WITH(load_script((folder / "none.json").string()),
                      ContainsSubstring("none.json\": No such file or directory"));
    CHECK_THROWS_WITH(load_script(folder.string()), ContainsSubstring("Is a directory"));
    const auto large = folder / "large.json";
    std::ofstream(large) << std::string((1 << 20) + 1, ' ');
    CHECK_THROWS_WITH(load_script(large.string()), ContainsSubstring("larger than 1024 KiB"));
    const auto good = folder / "good.json";
    std::ofstream(good) << with_send(R"({"raw": "000000000000000000000000 0800"})");
    CHECK(load_script(good.string()).steps.size() == 1);
    std::filesystem::remove_all(folder);
}

}  // namespace skbtrail::device
