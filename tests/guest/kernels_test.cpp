// The collector on the kernels that it was not written on: without many things that 6.12 has, and
// with things that came later.

#include <filesystem>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <fmt/format.h>

#include "guest/kernel_store.h"
#include "tests/guest/agent.h"
#include "tests/guest/program.h"
#include "tests/places.h"
#include "tracer/chain/recording_json.h"

namespace fs = std::filesystem;
using Catch::Matchers::ContainsSubstring;
using skbtrail::tests::built_program;
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

TEST_CASE("a kernel of one's own is kept under a name, listed and removed") {
    const Scratch scratch;
    const auto kernel = skbtrail::tests::newest_kernel();
    const auto cache = scratch.path() / "cache";
    const auto kernels = [&](const std::vector<std::string>& words) {
        std::vector<std::string> command{
            "/bin/sh",
            "-c",
            "cache=$1; program=$2; shift 2; SKBTRAIL_CACHE=$cache exec $program "
            "kernels \"$@\"",
            "sh",
            cache,
            built_program("skbtrail")};
        command.insert(command.end(), words.begin(), words.end());
        return run(scratch, command);
    };
    CHECK_THAT(kernels({"list"}).output, ContainsSubstring("There is no kernel in"));

    const auto image = kernel.vmlinux.parent_path() / "vmlinuz";
    const auto added = kernels(
        {"add", "mine", fmt::format("{},modules={}", image.string(), kernel.modules.string())});
    INFO(added.output);
    CHECK(added.status == 0);
    CHECK(kernels({"add", "6.12", image}).status == 2);

    const auto listed = kernels({"list", "--traces"});
    CHECK(listed.status == 0);
    CHECK_THAT(listed.output, ContainsSubstring("mine ") && ContainsSubstring("your own, ") &&
                                  ContainsSubstring(kernel.release) &&
                                  ContainsSubstring("configuration is not known"));
    const auto modules = cache / "builds" / "mine" / "modules";
    CHECK(fs::exists(modules));

    CHECK(kernels({"remove", "mime"}).status == 2);
    CHECK(kernels({"remove", "mine"}).status == 0);
    CHECK_FALSE(fs::exists(modules));
    CHECK_THAT(kernels({"list"}).output, ContainsSubstring("There is no kernel in"));
}

TEST_CASE("the kernels that the mirror has are listed, with their suites") {
    const Scratch scratch;
    const auto listed = run(scratch, {"skbtrail", "kernels", "list", "--available"});
    INFO(listed.output);
    CHECK(listed.status == 0);
    CHECK_THAT(listed.output, ContainsSubstring(" bookworm\n") && ContainsSubstring(" sid\n") &&
                                  ContainsSubstring("6.12."));
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
