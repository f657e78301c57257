#include "labs/runner/lab.h"

#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <nlohmann/json.hpp>

#include "labs/check/expectation.h"
#include "labs/runner/failure.h"
#include "labs/runner/kept_guest.h"
#include "tests/unit/runner/temporary.h"
#include "tracer/chain/format_error.h"

namespace skbtrail::labs {
namespace {

using Catch::Matchers::ContainsSubstring;
using nlohmann::json;

json good_lab() {
    return json::parse(R"({
        "format": "skbtrail-lab", "version": 1, "title": "A ping",
        "kernel": {"default": "6.12", "needs": ["CONFIG_NETFILTER"]},
        "nic": {"features": {"mrg_rxbuf": false}, "queue_pairs": 2},
        "wire": {"kind": "script", "file": "wire.json", "uplink": "nat", "window": 4},
        "interrupts": true, "filter": "udp port 53", "vcpus": 2, "memory_mib": 256, "modules": ["virtio_net"],
        "programs": ["nc.openbsd"], "sysctls": {"net.ipv4.ip_forward": "1"},
        "steps": [{"name": "prepare", "run": "prepare.sh", "deadline_s": 20},
                  {"name": "exercise", "run": "run.sh", "record": true}],
        "show": ["the reply"]
    })");
}

std::string message_of(const json& document) {
    try {
        parse_lab(document.dump(), "/labs/ping");
    } catch (const chain::FormatError& error) {
        return error.what();
    }
    return "no error";
}

TEST_CASE("a lab is read") {
    const auto lab = parse_lab(good_lab().dump(), "/labs/ping");
    CHECK(lab.name == "ping");
    CHECK(lab.title == "A ping");
    CHECK(lab.kernel == "6.12");
    REQUIRE(lab.nics.size() == 1);
    CHECK(lab.nics[0].features == std::map<std::string, bool>{{"mrg_rxbuf", false}});
    CHECK(lab.nics[0].queue_pairs == 2);
    CHECK(lab.vcpus == 2);
    CHECK_FALSE(lab.boot_trace);
    CHECK(lab.interrupts);
    CHECK(lab.filter == "udp port 53");
    CHECK(lab.memory_mib == 256);
    CHECK(lab.programs == std::vector<std::string>{"nc.openbsd"});
    CHECK(lab.steps.at(0).deadline == std::chrono::seconds(20));
    CHECK(lab.recorded_step().name == "exercise");
    CHECK(lab.show == std::vector<std::string>{"the reply"});
}

TEST_CASE("labs that want the same machine can share a boot, unless one says otherwise") {
    auto document = good_lab();
    const auto machine = [&] { return machine_of(parse_lab(document.dump(), "/labs/ping")); };
    const auto first = machine();
    CHECK_FALSE(first.empty());
    document["modules"] = {"virtio_net", "veth"};
    document["wire"] = {{"kind", "nat"}};
    document["nic"]["latency_ms"] = 20;
    document["sysctls"] = json::object();
    document["guest"] = "any";
    CHECK(machine() == first);
    for (const auto& [member, value] :
         {std::pair<const char*, json>{"vcpus", 3},
          {"memory_mib", 512},
          {"nic", {{"features", {{"mrg_rxbuf", false}}}, {"queue_pairs", 3}}},
          {"nic", {{"features", {{"mrg_rxbuf", true}}}, {"queue_pairs", 2}}},
          {"nic", {{"features", {{"mrg_rxbuf", false}, {"csum", false}}}, {"queue_pairs", 2}}},
          {"more_nics", json::array({{{"wire", {{"kind", "sink"}}}}})},
          {"boot_trace", {{"root", "inet_init"}, {"functions", {"*_init"}}}}}) {
        auto changed = document;
        changed[member] = value;
        CAPTURE(member, value.dump());
        CHECK(machine_of(parse_lab(changed.dump(), "/labs/ping")) != first);
    }
    document["guest"] = "own";
    CHECK(machine().empty());
    document["guest"] = "mine";
    CHECK_THAT(message_of(document), ContainsSubstring("/guest") && ContainsSubstring("\"own\""));
}

TEST_CASE("a boot that is recorded is a guest's own, and the kernel is told what to record") {
    auto document = good_lab();
    document["boot_trace"] = {{"root", "inet_init"}, {"functions", {"*_init", "dev_add_pack"}}};
    const auto lab = parse_lab(document.dump(), "/labs/ping");
    REQUIRE(lab.boot_trace);
    CHECK(machine_of(lab).empty());
    const auto parameters = boot_trace_parameters(*lab.boot_trace);
    CHECK_THAT(parameters, ContainsSubstring("ftrace=function_graph "));
    CHECK_THAT(parameters, ContainsSubstring("ftrace_graph_filter=inet_init "));
    CHECK_THAT(parameters, ContainsSubstring("ftrace_filter=inet_init,*_init,dev_add_pack "));

    document["boot_trace"]["root"] = {"inet_init", "inet6_init"};
    const auto both = boot_trace_parameters(*parse_lab(document.dump(), "/labs/ping").boot_trace);
    CHECK_THAT(both, ContainsSubstring("ftrace_graph_filter=inet_init,inet6_init "));
    CHECK_THAT(both, ContainsSubstring("ftrace_filter=inet_init,inet6_init,*_init,dev_add_pack "));

    // As long as it may be, and one more.
    const std::string longest(most_boot_trace_characters - 1, 'x');
    document["boot_trace"]["functions"] = {longest};
    CHECK(parse_lab(document.dump(), "/labs/ping").boot_trace->functions.at(0) == longest);
    document["boot_trace"]["functions"] = {longest, "y"};
    CHECK_THAT(message_of(document), ContainsSubstring("/boot_trace/functions") &&
                                         ContainsSubstring("command line has room"));
}

TEST_CASE("a lab's wire becomes the NIC's option, its file with the whole path") {
    const auto argument = [](const json& document) {
        const auto lab = parse_lab(document.dump(), "/labs/ping");
        return lab.wire_argument(lab.nics.back(), "/run/1");
    };
    CHECK(argument(good_lab()) == "script,file=/labs/ping/wire.json,uplink=nat,window=4");
    auto plain = good_lab();
    plain["wire"] = {{"kind", "reflect"}};
    CHECK(argument(plain) == "reflect");
    plain["more_nics"] = json::array({{{"wire", {{"kind", "script"}, {"file", "far.json"}}}}});
    CHECK(argument(plain) == "script,file=/labs/ping/far.json");
    plain["more_nics"][0]["wire"] = {{"kind", "hub"}, {"path", "switch"}};
    CHECK(argument(plain) == "hub,path=/run/1/switch");
    plain["more_nics"][0]["wire"]["path"] = "/run/everybody";
    CHECK(argument(plain) == "hub,path=/run/everybody");
}

TEST_CASE("a lab's further cards have wires and features of their own") {
    auto document = good_lab();
    document["more_nics"] = json::parse(
        R"([{"wire": {"kind": "sink"}, "latency_ms": 20},
            {"wire": {"kind": "nat"}, "features": {"csum": false}, "queue_pairs": 3}])");
    const auto nics = parse_lab(document.dump(), "/labs/ping").nics;
    REQUIRE(nics.size() == 3);
    CHECK(nics[0].wire.kind == "script");
    CHECK(nics[1].wire.kind == "sink");
    CHECK(nics[1].latency_ms == 20);
    CHECK(nics[1].queue_pairs == 1);
    CHECK(nics[2].features == std::map<std::string, bool>{{"csum", false}});
    CHECK(nics[2].queue_pairs == 3);
}

TEST_CASE("a lab that is wrong is refused at the place of the mistake") {
    struct Case {
        const char* what;
        json patch;  // RFC 6902
        std::string place;
        std::string sentence;
    };
    const auto replace = [](const char* path, const json& value) {
        return json::array({{{"op", "add"}, {"path", path}, {"value", value}}});
    };
    const auto remove = [](const char* path) {
        return json::array({{{"op", "remove"}, {"path", path}}});
    };
    const auto wrong = GENERATE_COPY(
        Case{"another format", replace("/format", "skbtrail-recording"), "", "a lab"},
        Case{"a later version", replace("/version", 2), "/version", "2"},
        Case{"no title", remove("/title"), "", "title"},
        Case{"an empty title", replace("/title", ""), "/title", "empty"},
        Case{"a typo", replace("/modulse", json::array()), "/modulse", "did you mean \"modules\""},
        Case{"a typo below", replace("/steps/0/deadline", 3), "/steps/0", "deadline_s"},
        Case{"no memory", replace("/memory_mib", 1), "/memory_mib", "128 to 65536"},
        Case{"negative vcpus", replace("/vcpus", -1), "/vcpus", ""},
        Case{"vcpus as text", replace("/vcpus", "2"), "/vcpus", ""},
        Case{"no wire", remove("/wire"), "", "wire"},
        Case{"a wire without a kind", remove("/wire/kind"), "/wire", "kind"},
        Case{"a file elsewhere", replace("/wire/file", "../x.json"), "/wire/file", "lab's folder"},
        Case{"a comma for --wire", replace("/wire/uplink", "nat,x=1"), "/wire/uplink", "comma"},
        Case{"steps that are none", replace("/steps", json::object()), "/steps", ""},
        Case{"no step recorded", replace("/steps/1/record", false), "/steps", "0 steps"},
        Case{"two recorded", replace("/steps/0/record", true), "/steps", "2 steps"},
        Case{"two of one name", replace("/steps/0/name", "exercise"), "/steps/1", "exercise"},
        Case{"a script elsewhere", replace("/steps/1/run", "/bin/sh"), "/steps/1/run", "/bin/sh"},
        Case{"a deadline of 0", replace("/steps/0/deadline_s", 0), "/steps/0/deadline_s", "1 to"},
        Case{"no queue pair", replace("/nic/queue_pairs", 0), "/nic/queue_pairs", "1 to 8"},
        Case{"too many of them", replace("/nic/queue_pairs", 9), "/nic/queue_pairs", "1 to 8"},
        Case{"a card without a wire", replace("/more_nics", json::array({json::object()})),
             "/more_nics/0", "wire"},
        Case{"too many cards", replace("/more_nics", json(4, {{"wire", {{"kind", "sink"}}}})),
             "/more_nics", "4 at most"},
        Case{"a boot trace of nothing",
             replace("/boot_trace", {{"root", "inet_init"}, {"functions", json::array()}}),
             "/boot_trace/functions", "nothing but the root"},
        Case{"a boot trace of no root",
             replace("/boot_trace", {{"root", json::array()}, {"functions", {"*"}}}),
             "/boot_trace/root", "1 to 4"},
        Case{"a boot trace of too many roots",
             replace("/boot_trace", {{"root", {"a_init", "b_init", "c_init", "d_init", "e_init"}},
                                     {"functions", {"*"}}}),
             "/boot_trace/root", "1 to 4"},
        Case{"a boot trace without a root", replace("/boot_trace", {{"functions", {"*_init"}}}),
             "/boot_trace", "root"},
        Case{"another parameter of the kernel",
             replace("/boot_trace", {{"root", "inet_init init=/bin/sh"}, {"functions", {"*"}}}),
             "/boot_trace/root", "not the name of a function"},
        Case{"another parameter behind the globs",
             replace("/boot_trace", {{"root", "inet_init"}, {"functions", {"a panic=0"}}}),
             "/boot_trace/functions/0", "not the name of a function"},
        Case{"a feature as text", replace("/nic/features/mrg_rxbuf", "on"),
             "/nic/features/mrg_rxbuf", ""});
    INFO(wrong.what);
    const auto message = message_of(good_lab().patch(wrong.patch));
    CHECK_THAT(message, ContainsSubstring(wrong.place) && ContainsSubstring(wrong.sentence));
    CHECK(message != "no error");
}

TEST_CASE("text that is not JSON says where") {
    REQUIRE_THROWS_WITH(parse_lab("{\n  \"format\": oops", "/labs/ping"),
                        ContainsSubstring("line 2"));
}

TEST_CASE("the error about a lab's file names it") {
    const TemporaryDirectory labs;
    labs.write("bad/lab.json", "[]");
    REQUIRE_THROWS_WITH(load_lab(labs / "bad"), ContainsSubstring("bad/lab.json"));
}

TEST_CASE("a lab whose script is missing is refused before it is run") {
    const TemporaryDirectory labs;
    labs.write("ping/lab.json", good_lab().dump());
    labs.write("ping/prepare.sh", "");
    labs.write("ping/wire.json", "{}");
    REQUIRE_THROWS_WITH(load_lab(labs / "ping"), ContainsSubstring("run.sh"));
    labs.write("ping/run.sh", "");
    REQUIRE_NOTHROW(load_lab(labs / "ping"));
}

TEST_CASE("a lab without an expectation is told how to get one") {
    const TemporaryDirectory labs;
    labs.write("ping/lab.json", good_lab().dump());
    for (const char* file : {"prepare.sh", "run.sh", "wire.json"}) {
        labs.write(std::filesystem::path("ping") / file, "");
    }
    const Lab lab = load_lab(labs / "ping");
    CHECK_THROWS_WITH(lab.expectation(), ContainsSubstring("the lab ping has no expect.json") &&
                                             ContainsSubstring("docs/labs.md"));
    labs.write("ping/expect.json", "{}");
    CHECK(lab.expectation() == lab.folder / "expect.json");
}

TEST_CASE("a lab can show only chains that its expectation has") {
    const TemporaryDirectory labs;
    Lab lab;
    lab.folder = labs.path();
    labs.write("expect.json", "{}");
    Expectation expectation;
    expectation.chains.resize(2);
    expectation.chains[0].name = "exactly the next number";
    expectation.chains[1].name = "ignored";
    lab.show = {"ignored", "exactly the next number"};
    CHECK_NOTHROW(check_shown_chains(lab, expectation));
    lab.show[1] = "ignorde";
    CHECK_THROWS_WITH(check_shown_chains(lab, expectation),
                      ContainsSubstring("lab.json: /show/1: ") &&
                          ContainsSubstring("has no chain \"ignorde\"; did you mean "
                                            "\"ignored\"?; it has: exactly the next number"));
}

TEST_CASE("labs are found by name, never by path") {
    const TemporaryDirectory labs;
    labs.write("first/ping/lab.json", "{}");
    labs.write("second/ping/lab.json", "{}");
    labs.write("second/udp/lab.json", "{}");
    labs.write("second/notes/README.md", "");
    const std::vector<std::filesystem::path> directories{labs / "first", labs / "second",
                                                         labs / "absent"};

    CHECK(find_lab("ping", directories) == labs / "first" / "ping");
    CHECK(find_lab("udp", directories) == labs / "second" / "udp");
    CHECK(list_labs(directories).size() == 2);
    for (const auto* path : {"../ping", "/etc", "first/ping", "..", "."}) {
        INFO(path);
        CHECK_THROWS_WITH(find_lab(path, directories), ContainsSubstring("is a path"));
    }
    CHECK_THROWS_WITH(find_lab("pnig", directories), ContainsSubstring("did you mean \"ping\""));
    CHECK_THROWS_WITH(find_lab("notes", directories), ContainsSubstring("ping, udp"));
    CHECK_THROWS_WITH(find_lab("x", {labs / "absent"}), ContainsSubstring("no other lab either"));
}

TEST_CASE("what a lab needs of the kernel's configuration is y or m") {
    auto lab = parse_lab(good_lab().dump(), "/labs/ping");
    lab.kernel_needs = {"CONFIG_A", "CONFIG_B", "CONFIG_C", "CONFIG_D"};
    CHECK(missing_needs(lab, "CONFIG_A=y\nCONFIG_B=m\n# CONFIG_C is not set\nCONFIG_DX=y\n") ==
          std::vector<std::string>{"CONFIG_C", "CONFIG_D"});
}

}  // namespace
}  // namespace skbtrail::labs
