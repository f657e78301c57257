#include "guest/kept_files.h"

#include <string>

#include <catch2/catch_test_macros.hpp>

#include "guest/cache.h"
#include "guest/error.h"
#include "temporary.h"

using namespace skbtrail::guest;
using std::chrono::hours;

namespace {

namespace fs = std::filesystem;

struct FakeDirectory {
    /// A file that was used so long ago.
    void put(const std::string& name, hours ago, std::size_t bytes = 1) const {
        write_file_atomically(directory / name, std::string(bytes, 'x'));
        age(name, ago);
    }
    void age(const std::string& name, hours ago) const {
        fs::last_write_time(directory / name, fs::file_time_type::clock::now() - ago);
    }
    bool has(const std::string& name) const { return fs::exists(directory / name); }

    TemporaryDirectory directory;
    KeptFiles kept{directory.path(), {.unused = hours(48), .most_bytes = 100}};
};

}  // namespace

TEST_CASE("a file is kept whole, found again, and its directory is made") {
    const TemporaryDirectory directory;
    const KeptFiles kept(directory / "not/there", {});
    CHECK_FALSE(kept.use("a"));
    CHECK(kept.keep("a", "bytes") == kept.path("a"));
    CHECK(kept.use("a"));
    CHECK(read_file(kept.path("a")) == "bytes");
    CHECK_FALSE(kept.use(""));  // the directory itself
}

TEST_CASE("what nobody used for long goes when something is kept") {
    const FakeDirectory fake;
    fake.put("old", hours(49));
    fake.put("used again", hours(49));
    fake.put("younger", hours(47));
    CHECK(fake.kept.use("used again"));
    CHECK(fake.has("old"));
    fake.kept.keep("new", "n");
    CHECK_FALSE(fake.has("old"));
    CHECK(fake.has("used again"));
    CHECK(fake.has("younger"));
}

TEST_CASE("of more than there is room for the least recently used go") {
    const FakeDirectory fake;
    fake.put("first", hours(4), 40);
    fake.put("second", hours(3), 40);
    fake.put("third", hours(2), 40);
    CHECK(fake.kept.use("first"));
    fake.kept.keep("new", std::string(20, 'x'));
    CHECK(fake.has("first"));
    CHECK(fake.has("third"));
    CHECK_FALSE(fake.has("second"));
}

TEST_CASE("what was used within the hour stays, however much there is") {
    const FakeDirectory fake;
    fake.put("a", hours(0), 80);
    fake.put("b", hours(0), 80);
    fake.put("c", hours(2), 1);
    fake.kept.keep("new", std::string(200, 'x'));
    CHECK(fake.has("a"));
    CHECK(fake.has("b"));
    CHECK(fake.has("new"));
    CHECK_FALSE(fake.has("c"));
}

TEST_CASE("what a killed process left half written goes; what is being written stays") {
    const FakeDirectory fake;
    fs::create_directories(fake.directory / ".scratch-dead/below");
    fs::create_directories(fake.directory / ".scratch-alive");
    fake.age(".scratch-dead", hours(2));
    fake.kept.keep("new", "n");
    CHECK_FALSE(fake.has(".scratch-dead"));
    CHECK(fake.has(".scratch-alive"));
}

TEST_CASE("a directory that cannot be written to is told") {
    const TemporaryDirectory directory;
    write_file_atomically(directory / "file", "");
    const KeptFiles kept(directory / "file/below", {});
    CHECK_FALSE(kept.use("a"));
    CHECK_THROWS_AS(kept.keep("a", "bytes"), Error);
}
