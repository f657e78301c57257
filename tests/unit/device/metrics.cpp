// What Prometheus reads is what docs/nic.md lists.

#include "device/control/metrics.h"

#include <fstream>
#include <iterator>
#include <memory>
#include <set>
#include <string>

#include <catch2/catch_test_macros.hpp>

#include "tests/places.h"
#include "tests/unit/device/net_bench.h"
#include "tests/unit/device/temporary_directory.h"

using namespace skbtrail::device;
using namespace skbtrail::device::test;

namespace {

std::string file_text(const std::string& path) {
    std::ifstream file(path);
    REQUIRE(file);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// The words between `before` and `after`.
std::set<std::string> words(const std::string& text, const std::string& before,
                            const std::string& after) {
    std::set<std::string> found;
    for (auto at = text.find(before); at != std::string::npos; at = text.find(before, at + 1)) {
        const auto begin = at + before.size();
        found.insert(text.substr(begin, text.find(after, begin) - begin));
    }
    return found;
}

}  // namespace

TEST_CASE("metrics: docs/nic.md lists those that there are", "[device][control]") {
    const TemporaryDirectory directory;
    RingEventLog log(std::make_unique<FileEventSink>(directory / "events"));
    NetBench bench(bench_features, false, &log);
    FaultSet faults{1};
    must(faults.add(must(parse_fault("drop,p=0.5"))));
    Oversight oversight(bench.loop, *bench.device, faults);
    const std::string text = metrics_text({.oversight = oversight,
                                           .wire = bench.wire,
                                           .events = &log,
                                           .front_end = [] { return FrontEndView{}; },
                                           .disconnect = [] { return false; }});
    const auto printed = words(text, "# TYPE skbtrail_", " ");
    const auto listed =
        words(file_text(skbtrail::tests::in_source("docs/nic.md")), "`skbtrail_", "`");
    CHECK(printed.size() > 20);
    CHECK(printed == listed);
}

TEST_CASE("metrics: a fault that strikes without effect is counted as such", "[device][control]") {
    NetBench bench(bench_features | feature_in_order);
    FaultSet faults{1};
    must(faults.add(must(parse_fault("never_used"))));
    Oversight oversight(bench.loop, *bench.device, faults);
    bench.send(pattern(60));
    bench.send(pattern(60));
    const std::string text = metrics_text({.oversight = oversight,
                                           .wire = bench.wire,
                                           .front_end = [] { return FrontEndView{}; },
                                           .disconnect = [] { return false; }});
    const std::string labels = "{fault=\"never_used\",number=\"1\"} ";
    CHECK(text.find("skbtrail_fault_without_effect_total" + labels + "2\n") != std::string::npos);
    CHECK(text.find("skbtrail_fault_opportunities_total" + labels + "2\n") != std::string::npos);
}
