#include "labs/runner/result_directory.h"

#include <catch2/catch_test_macros.hpp>

#include "guest/cache.h"
#include "labs/runner/failure.h"
#include "tests/unit/runner/temporary.h"

namespace skbtrail::labs {
namespace {

namespace fs = std::filesystem;

TEST_CASE("a result directory is made, and cleared of an earlier run's files only") {
    const TemporaryDirectory temporary;
    temporary.write("out/recording.json", "old");
    temporary.write("out/verdict.json", "old");
    temporary.write("out/notes.txt", "the user's own");
    const ResultDirectory results(temporary / "out");
    CHECK_FALSE(fs::exists(results.recording()));
    CHECK_FALSE(fs::exists(results.verdict()));
    CHECK(fs::exists(temporary / "out/notes.txt"));
    CHECK(results.path().is_absolute());
    CHECK(fs::is_directory(ResultDirectory(temporary / "a/b/c").path()));
}

TEST_CASE("a file is written whole, with nothing beside it") {
    const TemporaryDirectory temporary;
    const ResultDirectory results(temporary / "out");
    results.write(results.recording(), "first");
    results.write(results.recording(), "second");
    CHECK(guest::read_file(results.recording()) == "second");
    CHECK(std::distance(fs::directory_iterator(results.path()), fs::directory_iterator()) == 1);
}

TEST_CASE("a file that cannot be written leaves the old one") {
    const TemporaryDirectory temporary;
    const ResultDirectory results(temporary / "out");
    results.write(results.recording(), "old");
    // Root may write anywhere, but nobody can write below a file.
    CHECK_THROWS_AS(results.write(results.recording() / "below", "x"), CannotRun);
    CHECK(guest::read_file(results.recording()) == "old");
}

TEST_CASE("a place that cannot be a directory is refused") {
    const TemporaryDirectory temporary;
    temporary.write("file", "");
    CHECK_THROWS_AS(ResultDirectory(temporary / "file/out"), CannotRun);
}

TEST_CASE("the default place names the lab and the kernel, and is new") {
    const auto path = default_result_path("ping", "6.12.9");
    CHECK(path.parent_path() == "skbtrail-results");
    CHECK(path.filename().string().starts_with("ping-6.12.9-20"));
}

}  // namespace
}  // namespace skbtrail::labs
