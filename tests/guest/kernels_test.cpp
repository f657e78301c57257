// The collector on the kernels that it was not written on: without many things that 6.12 has, and
// with things that came later.

#include <filesystem>
#include <string>
#include <vector>

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

/// What is named between a call of `caller` and one of `callee` below it; REQUIREs that something
/// is.
std::vector<std::string> inlined_before(const skbtrail::chain::Recording& recording,
                                        const std::string& caller, const std::string& callee) {
    std::vector<std::string> found;
    const auto look = [&](const auto& again, const skbtrail::chain::Call& call) -> void {
        for (const auto& below : call.calls) {
            if (call.function == caller && below.function == callee) found = below.inlined;
            again(again, below);
        }
    };
    for (const auto& chain : recording.chains) look(look, chain.root);
    CAPTURE(caller, callee);
    REQUIRE_FALSE(found.empty());
    return found;
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

TEST_CASE("the debug information of a kernel of Debian's names what was inlined", "[.all]") {
    const Scratch scratch;
    const auto fetched = run(scratch, {"skbtrail", "kernels", "fetch", "6.12", "--debug-info"});
    INFO(fetched.output);
    REQUIRE(fetched.status == 0);
    const auto recording = record(scratch, "6.12");
    // Each is static and called at one place only, which a compiler leaves no call of.
    CHECK(inlined_before(recording, "virtnet_poll", "receive_buf").front() == "virtnet_receive");
    CHECK(inlined_before(recording, "__x64_sys_sendto", "__sys_sendto") ==
          std::vector<std::string>{"__se_sys_sendto", "__do_sys_sendto"});
}
