#include "labs/runner/programs.h"

#include <algorithm>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "labs/runner/failure.h"

namespace skbtrail::labs {
namespace {

using Catch::Matchers::ContainsSubstring;

std::string why_not_found(const std::vector<std::string>& names) {
    try {
        guest_programs(names);
    } catch (const CannotRun& error) {
        return error.what();
    }
    return "no error";
}

TEST_CASE("a program's libraries are read from what the loader lists") {
    CHECK(listed_libraries("\tlinux-vdso.so.1 (0x00007ffc)\n"
                           "\tlibbsd.so.0 => /lib/x86_64-linux-gnu/libbsd.so.0 (0x00007f63)\n"
                           "\t/lib64/ld-linux-x86-64.so.2 (0x00007f64)\n",
                           "nc") == std::vector<std::string>{"/lib/x86_64-linux-gnu/libbsd.so.0",
                                                             "/lib64/ld-linux-x86-64.so.2"});
    CHECK_THROWS_AS(listed_libraries("\tlibbsd.so.0 => not found\n", "nc"), CannotRun);
}

TEST_CASE("a program comes with its libraries and the loader, each once") {
    const auto files = guest_programs({"ls", "cat"});
    const auto count = [&](const std::string& destination) {
        return std::count_if(files.begin(), files.end(), [&](const guest::GuestFile& file) {
            return file.destination == destination && file.mode == 0755;
        });
    };
    CHECK(count("/bin/ls") == 1);
    CHECK(count("/bin/cat") == 1);
    CHECK(count("/lib64/ld-linux-x86-64.so.2") == 1);
    CHECK(count("/lib/x86_64-linux-gnu/libc.so.6") == 1);
    CHECK(guest_programs({}).empty());
}

TEST_CASE("a program that is not installed is named") {
    CHECK_THAT(why_not_found({"skbtrail-no-such-program"}),
               ContainsSubstring("needs the program skbtrail-no-such-program"));
}

}  // namespace
}  // namespace skbtrail::labs
