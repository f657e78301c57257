// The accelerator's proof, with scripts in QEMU's place. (With the real one: tests/guest.)
#include "labs/runner/accelerator.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "labs/runner/failure.h"
#include "labs/runner/proof_guest.h"
#include "tests/unit/runner/temporary.h"

namespace skbtrail::labs {
namespace {

using Catch::Matchers::ContainsSubstring;
using namespace std::chrono_literals;

KvmProof prove_with(const char* script, std::chrono::milliseconds limit = 10s) {
    const TemporaryDirectory temporary;
    return run_proof_guest({.qemu = {.program = temporary.script("qemu", script)},
                            .directory = temporary.path(),
                            .limit = limit,
                            .stop = {}},
                           "kvm");
}

TEST_CASE("the proof is the tiny guest's own exit status, no other") {
    CHECK(prove_with("exit 67").usable);
    CHECK_FALSE(prove_with("exit 0").usable);
    CHECK_FALSE(prove_with("exit 69").usable);
    const auto refused = prove_with("echo 'qemu: failed to initialize kvm' >&2; exit 1");
    CHECK_FALSE(refused.usable);
    CHECK_THAT(refused.reason, ContainsSubstring("failed to initialize kvm"));
}

TEST_CASE("a guest that spins for ever is ended at the limit") {
    const auto began = std::chrono::steady_clock::now();
    const auto proof = prove_with("trap '' TERM; while :; do :; done", 200ms);
    CHECK_FALSE(proof.usable);
    CHECK_THAT(proof.reason, ContainsSubstring("within 0.20 s"));
    CHECK(std::chrono::steady_clock::now() - began < 8s);
}

TEST_CASE("a QEMU that dies of it proves the contrary") {
    const auto proof = prove_with("echo 'qemu: error: failed to set MSR' >&2; kill -ABRT $$");
    CHECK_FALSE(proof.usable);
    CHECK_THAT(proof.reason,
               ContainsSubstring("signal 6") && ContainsSubstring("failed to set MSR"));
}

TEST_CASE("the tiny guest is an ELF file with a PVH note") {
    CHECK(
        proof_guest_image().starts_with("\x7f"
                                        "ELF"));
    CHECK(proof_guest_image().find(std::string_view("Xen\0", 4)) != std::string_view::npos);
}

TEST_CASE("an answer is remembered for what it was found out about") {
    const TemporaryDirectory temporary;
    const ProofMemory memory(temporary / "cache/accelerator.json");
    CHECK_FALSE(memory.recall("this machine"));
    memory.remember("this machine", {.usable = false, .reason = "spins", .when = "2026-01-02"});
    const auto known = memory.recall("this machine");
    REQUIRE(known);
    CHECK_FALSE(known->usable);
    CHECK(known->reason == "spins");
    CHECK(known->when == "2026-01-02");
    CHECK(known->remembered);
    CHECK_FALSE(memory.recall("another kernel"));
    temporary.write("cache/accelerator.json", "{\"key\":\"this machine\"");
    CHECK_FALSE(memory.recall("this machine"));
}

TEST_CASE("TCG that was asked for is not argued with") {
    const TemporaryDirectory temporary;
    const auto choice = choose_accelerator(
        "tcg", {.qemu = {.program = "/nonexistent"}, .directory = temporary.path(), .stop = {}},
        ProofMemory(temporary / "m.json"));
    CHECK(choice.accelerator == Accelerator::tcg);
}

TEST_CASE("QEMU's version is read, and an old one is refused in a sentence") {
    const auto qemu =
        parse_qemu_version("/usr/bin/q", "QEMU emulator version 10.0.2 (Debian 1:10.0.2)\nx");
    CHECK(qemu.version() == "10.0.2");
    CHECK_NOTHROW(require_new_enough(qemu));
    CHECK_THROWS_WITH(
        require_new_enough(parse_qemu_version("/usr/bin/q", "QEMU emulator version 7.2.19")),
        ContainsSubstring("7.2.19") && ContainsSubstring("too old") &&
            ContainsSubstring("bookworm-backports"));
    CHECK_THROWS_AS(parse_qemu_version("/bin/true", "true 9.1"), CannotRun);
    CHECK_THROWS_AS(parse_qemu_version("/bin/true", ""), CannotRun);
}

}  // namespace
}  // namespace skbtrail::labs
