#include "labs/runner/bpf_objects.h"

#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "guest/cache.h"
#include "labs/runner/failure.h"
#include "tests/unit/runner/temporary.h"

namespace skbtrail::labs {
namespace {

using Catch::Matchers::ContainsSubstring;

std::string why_not_built(const TemporaryDirectory& directory) {
    try {
        bpf_objects(directory.path() / "lab", directory.path() / "cache");
    } catch (const CannotRun& error) {
        return error.what();
    }
    return "no error";
}

TEST_CASE("a lab's BPF programs are compiled, other files are left alone") {
    const TemporaryDirectory directory;
    directory.write("lab/pass.bpf.c",
                    "__attribute__((section(\"xdp\"), used)) int pass(void *frame)\n"
                    "{ return frame ? 2 : 1; }\n");
    directory.write("lab/helper.c", "this is no C\n");
    const auto files = bpf_objects(directory.path() / "lab", directory.path() / "cache");
    REQUIRE(files.size() == 1);
    CHECK(files[0].destination == "/lab/pass.bpf.o");
    const auto object = guest::read_file(files[0].source);
    REQUIRE(object.size() > 64);
    CHECK(object.substr(0, 4) ==
          "\x7f"
          "ELF");
    CHECK(static_cast<unsigned char>(object[18]) == 247);  // e_machine: EM_BPF
    // The same program is the same file.
    const auto again = bpf_objects(directory.path() / "lab", directory.path() / "cache");
    CHECK(again[0].source == files[0].source);
}

TEST_CASE("a BPF program that is wrong is shown with what the compiler says") {
    const TemporaryDirectory directory;
    directory.write("lab/wrong.bpf.c", "int broken(void) { return nowhere; }\n");
    const auto message = why_not_built(directory);
    CHECK_THAT(message, ContainsSubstring("wrong.bpf.c: this BPF program does not compile"));
    CHECK_THAT(message, ContainsSubstring("nowhere"));
}

}  // namespace
}  // namespace skbtrail::labs
