// lab.schema.json says what parse_lab takes: editors complete from the one, runs go by the other.

#include <algorithm>
#include <filesystem>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <nlohmann/json.hpp>

#include "guest/cache.h"
#include "labs/runner/lab.h"
#include "tests/places.h"
#include "tests/unit/schema_check.h"
#include "tracer/chain/format_error.h"

namespace skbtrail::labs {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const test::SchemaCheck& schema() {
    static const test::SchemaCheck check("labs/runner/lab.schema.json");
    return check;
}

bool is_read(const json& document) {
    try {
        parse_lab(document.dump(), "/labs/ping");
        return true;
    } catch (const chain::FormatError&) {
        return false;
    }
}

json with_everything() {
    return json::parse(R"({
        "$schema": "../runner/lab.schema.json", "format": "skbtrail-lab", "version": 1,
        "title": "A ping", "about": "One request.",
        "kernel": {"default": "6.12", "needs": ["CONFIG_NETFILTER"]},
        "nic": {"features": {"mrg_rxbuf": false}, "latency_ms": 20, "queue_pairs": 2},
        "wire": {"kind": "script", "file": "wire.json", "judge": true, "window": 4},
        "more_nics": [{"wire": {"kind": "sink"}, "features": {"csum": false}, "latency_ms": 1,
                       "queue_pairs": 8}],
        "guest": "own", "interrupts": true, "filter": "udp", "vcpus": 2,
        "boot_trace": {"root": ["inet_init", "inet6_init"], "functions": ["*_init", "dev_add_pack"]}, "memory_mib": 256, "modules": ["virtio_net"],
        "programs": ["nc.openbsd"], "sysctls": {"net.ipv4.ip_forward": "1"},
        "steps": [{"name": "prepare", "run": "prepare.sh", "deadline_s": 20},
                  {"name": "exercise", "run": "run.sh", "record": true}],
        "show": ["the reply"]
    })");
}

TEST_CASE("the schema takes every shipped lab") {
    std::size_t labs = 0;
    for (const auto& entry : fs::directory_iterator(tests::in_source("labs"))) {
        const auto file = entry.path() / "lab.json";
        if (!fs::exists(file)) continue;
        INFO(file);
        CHECK(schema().complaint(guest::read_file(file)).empty());
        ++labs;
    }
    CHECK(labs >= 20);
}

TEST_CASE("what a shipped lab shows are chains of its expectation") {
    for (const auto& entry : fs::directory_iterator(tests::in_source("labs"))) {
        if (!fs::exists(entry.path() / "lab.json")) continue;
        INFO(entry.path());
        const auto expected = json::parse(guest::read_file(entry.path() / "expect.json"));
        for (const auto& shown : load_lab(entry.path()).show) {
            INFO(shown);
            CHECK(std::any_of(expected["chains"].begin(), expected["chains"].end(),
                              [&](const auto& chain) { return chain["name"] == shown; }));
        }
    }
}

TEST_CASE("the schema knows each member that a lab may have") {
    CHECK(is_read(with_everything()));
    CHECK(schema().complaint(with_everything().dump()).empty());
}

TEST_CASE("what is refused when it is read, the schema refuses as well") {
    const auto [path, value] = GENERATE(table<std::string, json>({
        {"/format", "skbtrail-recording"},
        {"/version", 2},
        {"/title", ""},
        {"/modulse", json::array()},
        {"/kernel/defualt", "6.1"},
        {"/nic/latency_ms", 1001},
        {"/nic/queue_pairs", 0},
        {"/nic/queue_pairs", 9},
        {"/filter", ""},
        {"/filter", "-i eth0"},
        {"/more_nics", json::array({json::object()})},
        {"/more_nics", json(4, {{"wire", {{"kind", "sink"}}}})},
        {"/more_nics", json::array({{{"wire", {{"kind", "sink"}}}, {"queue_pairs", 9}}})},
        {"/boot_trace/root", "*_init"},
        {"/boot_trace/root", json::array()},
        {"/boot_trace/root", {"inet_init", "a b"}},
        {"/boot_trace/root", {"a_init", "b_init", "c_init", "d_init", "e_init"}},
        {"/boot_trace/functions", json::array()},
        {"/boot_trace/functions/0", "a b"},
        {"/boot_trace/depth", 3},
        {"/nic/features/mrg_rxbuf", "on"},
        {"/wire", {{"file", "wire.json"}}},
        {"/wire/file", "../x.json"},
        {"/wire/uplink", "nat,x=1"},
        {"/guest", "mine"},
        {"/vcpus", -1},
        {"/memory_mib", 1},
        {"/programs/0", "/bin/ls"},
        {"/sysctls/net.ipv4.ip_forward", 1},
        {"/steps", json::object()},
        {"/steps/1/record", false},
        {"/steps/1/run", "/bin/sh"},
        {"/steps/0/deadline", 3},
        {"/steps/0/deadline_s", 0},
    }));
    CAPTURE(path, value.dump());
    const auto wrong = with_everything().patch({{{"op", "add"}, {"path", path}, {"value", value}}});
    CHECK_FALSE(is_read(wrong));
    CHECK_FALSE(schema().complaint(wrong.dump()).empty());
}

}  // namespace
}  // namespace skbtrail::labs
