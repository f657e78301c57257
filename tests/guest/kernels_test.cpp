// The collector on the kernels that it was not written on: without many things that 6.12 has, and
// with things that came later.

#include <filesystem>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <fmt/format.h>

#include "guest/kernel_store.h"
#include "tests/guest/agent.h"
#include "tests/guest/program.h"
#include "tracer/chain/recording_json.h"

namespace fs = std::filesystem;
using skbtrail::tests::run;
using skbtrail::tests::Scratch;

namespace {

/// Records and judges ping-receive on `kernel`, as the option --kernel names it.
skbtrail::chain::Recording record(const Scratch& scratch, const std::string& kernel) {
    const fs::path results = scratch.path() / "results";
    const auto lab =
        run(scratch, {"skbtrail", "run", "ping-receive", "--kernel", kernel, "--output", results});
    INFO(lab.output);
    REQUIRE(lab.status == 0);
    auto recording = skbtrail::chain::load_recording(results / "recording.json");
    for (const auto& loss : recording.losses) {
        CAPTURE(loss.kind, loss.detail);
        CHECK(loss.count == 0);
    }
    return recording;
}

}  // namespace

TEST_CASE("ping-receive passes on 6.1, where kprobe events tell who is who") {
    const Scratch scratch;
    const auto kernel = skbtrail::guest::resolve_kernel("6.1");
    const auto recording = record(scratch, "6.1");
    CHECK(recording.observed.kernel_release == kernel.release);
    CHECK(recording.observed.identity_method == "kprobe events");
    // What did not work there is told, with its reason.
    CHECK(recording.observed.calibration.size() == 2);
}

TEST_CASE("ping-receive passes on the newest kernel, given as somebody's own bzImage") {
    const Scratch scratch;
    const auto kernel = skbtrail::tests::newest_kernel();
    const auto image = kernel.vmlinux.parent_path() / "vmlinuz";
    REQUIRE(fs::exists(image));
    const auto recording =
        record(scratch, fmt::format("{},modules={}", image.string(), kernel.modules.string()));
    CHECK(recording.observed.kernel_release == kernel.release);
    CHECK(recording.observed.identity_method == "kprobe.multi");
    CHECK(recording.observed.calibration.empty());
}
