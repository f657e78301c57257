#include "labs/runner/change.h"

#include <algorithm>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <nlohmann/json.hpp>

#include "labs/runner/failure.h"
#include "labs/runner/lab_image.h"
#include "tests/unit/runner/temporary.h"
#include "tests/unit/schema_check.h"
#include "tracer/chain/format_error.h"

namespace skbtrail::labs {
namespace {

using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;
using nlohmann::json;

Lab lab_to_change() {
    Lab lab;
    lab.name = "ping";
    lab.modules = {"virtio_net"};
    lab.programs = {"nc.openbsd"};
    lab.steps = {{.name = "prepare", .run = "prepare.sh"},
                 {.name = "exercise", .run = "run.sh", .record = true}};
    return lab;
}

TEST_CASE("a change comes behind the lab's own preparations and before what is recorded") {
    const TemporaryDirectory place;
    const auto folder = place.path() / "drop";
    std::filesystem::create_directories(folder / "below");
    place.write("drop/change.sh", "nft -f /change/rules\n");
    place.write("drop/rules", "table ip t {}\n");
    place.write("drop/README.md", "what it is\n");
    place.write("drop/change.json",
                R"({"format": "skbtrail-change", "version": 1, "about": "A rule.",
                                      "modules": ["nf_tables"], "programs": ["nft"]})");
    const auto lab = with_change(lab_to_change(), load_change(folder / "below" / ".."));
    REQUIRE(lab.steps.size() == 3);
    CHECK(lab.steps[0].name == "prepare");
    CHECK(lab.steps[1].name == "change");
    CHECK_FALSE(lab.steps[1].record);
    CHECK(lab.recorded_step().name == "exercise");
    CHECK(job_step(lab.steps[1]).command ==
          std::vector<std::string>{"/bin/sh", "/change/change.sh"});
    CHECK(lab.modules == std::vector<std::string>{"virtio_net", "nf_tables"});
    CHECK(lab.programs == std::vector<std::string>{"nc.openbsd", "nft"});
    REQUIRE(lab.change);
    CHECK(lab.change->name == "drop");
    auto files = lab.change->files;
    std::ranges::sort(files);
    const auto real = std::filesystem::canonical(folder);
    CHECK(files == std::vector<std::filesystem::path>{real / "change.sh", real / "rules"});
}

TEST_CASE("a change may be a script, or a module to load") {
    const TemporaryDirectory place;
    const auto file = GENERATE("mine.ko", "mine.sh", "ip rule");
    const auto lab = with_change(lab_to_change(), load_change(place.write(file, "x")));
    const std::string shell = std::string(file) == "mine.ko" ? "/bin/insmod" : "/bin/sh";
    CHECK(job_step(lab.steps.at(1)).command ==
          std::vector<std::string>{shell, std::string("/change/") + file});
    CHECK(lab.change->name == file);
}

TEST_CASE("what is no change is told") {
    const TemporaryDirectory place;
    CHECK_THROWS_MATCHES(load_change(place.path() / "nowhere"), CannotRun,
                         MessageMatches(ContainsSubstring("nowhere")));
    const auto folder = place.path() / "empty";
    std::filesystem::create_directories(folder);
    CHECK_THROWS_MATCHES(load_change(folder), CannotRun,
                         MessageMatches(ContainsSubstring("has no change.sh")));
    place.write("empty/change.sh", "");
    place.write("empty/change.json",
                R"({"format": "skbtrail-change", "version": 1, "modulse": []})");
    CHECK_THROWS_MATCHES(
        load_change(folder), chain::FormatError,
        MessageMatches(ContainsSubstring("change.json") && ContainsSubstring("\"modules\"")));
    auto lab = lab_to_change();
    lab.steps[0].name = "change";
    const auto mine = load_change(place.write("mine.sh", ""));
    CHECK_THROWS_MATCHES(with_change(lab, mine), CannotRun,
                         MessageMatches(ContainsSubstring("ping")));
}

TEST_CASE("change.schema.json says what parse_change takes") {
    const test::SchemaCheck schema("labs/runner/change.schema.json");
    const auto everything = json::parse(R"({
        "$schema": "change.schema.json", "format": "skbtrail-change", "version": 1,
        "about": "A rule.", "modules": ["nf_tables"], "programs": ["nft"]})");
    const auto is_read = [](const json& document) {
        try {
            LabChange change;
            parse_change(document.dump(), change);
            return true;
        } catch (const chain::FormatError&) {
            return false;
        }
    };
    CHECK(is_read(everything));
    CHECK(schema.complaint(everything.dump()).empty());
    const auto [path, value] = GENERATE(table<std::string, json>({
        {"/format", "skbtrail-lab"},
        {"/version", 2},
        {"/modules", "nf_tables"},
        {"/programs/0", "/bin/ls"},
        {"/programs/0", ""},
        {"/steps", json::array()},
    }));
    CAPTURE(path, value.dump());
    const auto wrong = everything.patch({{{"op", "add"}, {"path", path}, {"value", value}}});
    CHECK_FALSE(is_read(wrong));
    CHECK_FALSE(schema.complaint(wrong.dump()).empty());
}

}  // namespace
}  // namespace skbtrail::labs
