#include "guest/cache.h"

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "guest/error.h"
#include "guest/process.h"
#include "temporary.h"

using namespace skbtrail::guest;
using namespace std::chrono_literals;

namespace {

using Variables = std::map<std::string, std::string>;

/// Sets environment variables for one test.
class Environment {
  public:
    explicit Environment(const Variables& values) {
        for (const auto& [name, value] : values) {
            const char* old = std::getenv(name.c_str());
            before_[name] = old == nullptr ? std::nullopt : std::optional<std::string>(old);
            ::setenv(name.c_str(), value.c_str(), 1);
        }
    }
    ~Environment() {
        for (const auto& [name, value] : before_) {
            value ? ::setenv(name.c_str(), value->c_str(), 1) : ::unsetenv(name.c_str());
        }
    }
    Environment(const Environment&) = delete;
    Environment& operator=(const Environment&) = delete;

  private:
    std::map<std::string, std::optional<std::string>> before_;
};

/// Whether another process could have the lock now.
bool free_for_others(const std::filesystem::path& path) {
    Command command;
    command.arguments = {"flock", "-n", path.string(), "true"};
    return run_process(command).succeeded();
}

}  // namespace

TEST_CASE("the cache is where the user says, else where XDG says, else in the home") {
    const Environment own(Variables{{"SKBTRAIL_CACHE", "/somewhere"}, {"XDG_CACHE_HOME", "/xdg"}});
    CHECK(cache_root() == "/somewhere");
    const Environment xdg(Variables{{"SKBTRAIL_CACHE", ""}});
    CHECK(cache_root() == "/xdg/skbtrail");
    const Environment relative(Variables{{"XDG_CACHE_HOME", "relative"}, {"HOME", "/home/u"}});
    CHECK(cache_root() == "/home/u/.cache/skbtrail");
}

TEST_CASE("a lock keeps other processes out while it lives") {
    const TemporaryDirectory directory;
    const std::filesystem::path path = directory / "made/on/demand.lock";
    {
        const FileLock lock(path);
        CHECK_FALSE(free_for_others(path));
    }
    CHECK(free_for_others(path));
}

TEST_CASE("a lock keeps other threads out, and says that it waits") {
    const TemporaryDirectory directory;
    const std::filesystem::path path = directory / "lock";
    std::atomic<int> inside = 0;
    std::atomic<int> most = 0;
    std::atomic<int> waited = 0;
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            const FileLock lock(path, [&waited] { ++waited; });
            most = std::max(most.load(), ++inside);
            std::this_thread::sleep_for(20ms);
            --inside;
        });
    }
    threads.clear();
    CHECK(most == 1);
    CHECK(waited == 3);
}

TEST_CASE("a scratch directory goes with all in it") {
    const TemporaryDirectory directory;
    std::filesystem::path path;
    {
        const ScratchDirectory scratch(directory / "new");
        path = scratch.path();
        std::filesystem::create_directories(path / "a/b");
        write_file_atomically(path / "a/b/c", "x");
        CHECK(read_file(path / "a/b/c") == "x");
    }
    CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("files are replaced whole, and failures name the file") {
    const TemporaryDirectory directory;
    write_file_atomically(directory / "f", "one");
    write_file_atomically(directory / "f", "");
    CHECK(read_file(directory / "f").empty());
    CHECK_THROWS_AS(read_file(directory / "nosuch"), Error);
    CHECK_THROWS_AS(read_file(directory.path()), Error);
    write_file_atomically(directory / "f", "file");
    CHECK_THROWS_AS(write_file_atomically(directory / "f/under-a-file", "x"), Error);
    CHECK_THROWS_AS(ScratchDirectory(directory / "f/under-a-file"), Error);
    CHECK_THROWS_AS(FileLock(directory / "f/under-a-file/lock"), Error);
}
