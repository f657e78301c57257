// An interactive guest, by a pipe and by a terminal: it does what is typed, exchanges files, and
// leaves nothing behind, however it ends.

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <signal.h>
#include <sys/stat.h>

#include "tests/guest/program.h"
#include "tests/places.h"

namespace fs = std::filesystem;
using Catch::Matchers::ContainsSubstring;
using skbtrail::tests::built_program;
using skbtrail::tests::eventually;
using skbtrail::tests::processes_naming;
using skbtrail::tests::Program;
using skbtrail::tests::run;
using skbtrail::tests::Scratch;
using skbtrail::tests::text_of;

TEST_CASE("a shell does what is typed, and files come and go by /exchange") {
    const Scratch scratch;
    const auto exchange = scratch.path() / "exchange";
    fs::create_directories(exchange);
    std::ofstream(exchange / "from-host") << "hello\n";
    std::ofstream(exchange / "typed") << "cp from-host from-guest; uname -r; tty; trap 'echo INT "
                                         "$((6*7))' INT; kill -INT $$\nsleep 1\necho last";
    // The end of the input is Ctrl-D.
    const auto outcome =
        run(scratch, {"/bin/sh", "-c", "exec \"$1\" shell --exchange \"$2\" < \"$2/typed\"", "sh",
                      built_program("skbtrail"), exchange});
    INFO(outcome.output);
    CHECK(outcome.status == 0);
    CHECK_THAT(outcome.output, ContainsSubstring("cloud-amd64") && ContainsSubstring("/dev/hvc0") &&
                                   ContainsSubstring("INT 42") && ContainsSubstring("\nlast"));
    CHECK(text_of(exchange / "from-guest") == "hello\n");
    CHECK(text_of(exchange / "from-host") == "hello\n");
    CHECK(scratch.left_behind().empty());
}

TEST_CASE("Ctrl-D on a terminal ends a shell, and its guest") {
    const Scratch scratch;
    const auto keys = scratch.path() / "keys";
    REQUIRE(::mkfifo(keys.c_str(), 0600) == 0);
    // script (bsdutils) gives it a terminal, and is given what is typed.
    Program shell(scratch, {"/bin/sh", "-c", "exec script -qec \"$1 shell\" /dev/null <> \"$2\"",
                            "sh", built_program("skbtrail"), keys});
    REQUIRE(shell.wait_for("guest:"));
    std::ofstream typed(keys);
    typed << "echo $((6*7)) is typed\r" << std::flush;
    // It asks where the cursor is when it reads keys one by one again; before that, the key would
    // be the end of nobody's input.
    REQUIRE(shell.wait_for("\n42 is typed\r\nguest:/exchange# \x1b[6n"));
    typed << '\x04' << std::flush;
    CHECK(shell.wait() == 0);
    INFO(shell.output());
    CHECK(scratch.left_behind().empty());
}

TEST_CASE("a shell that is ended from outside leaves nothing behind") {
    for (const int number : {SIGINT, SIGKILL}) {
        const Scratch scratch;
        const auto silence = scratch.path() / "silence";
        REQUIRE(::mkfifo(silence.c_str(), 0600) == 0);
        Program shell(scratch, {"/bin/sh", "-c", "exec \"$1\" shell -q <> \"$2\"", "sh",
                                built_program("skbtrail"), silence});
        REQUIRE(shell.wait_for("guest:"));
        shell.signal(number);
        CHECK(shell.wait() == (number == SIGKILL ? 128 + SIGKILL : 2));
        CHECK(
            eventually([&] { return processes_naming(scratch.path().string() + "/tmp").empty(); }));
        CHECK(eventually([&] { return scratch.left_behind().empty(); }));
    }
}
