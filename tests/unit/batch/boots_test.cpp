// Which runs of a batch share a boot, in which order things begin, and what becomes of the others
// when a boot or a run comes to nothing.
#include "labs/batch/boots.h"

#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "guest/cache.h"
#include "labs/batch/pool.h"
#include "labs/runner/watch.h"
#include "tests/unit/runner/temporary.h"

using namespace skbtrail::labs;
using namespace skbtrail::labs::batch;
using Catch::Matchers::ContainsSubstring;
using Kind = Boots::Task::Kind;
namespace fs = std::filesystem;

namespace {

/// "boot 0", "run 3", "run 3 of 0" for the task that is next; "nothing".
std::string next(Boots& boots) {
    const auto task = boots.next();
    if (!task) return "nothing";
    const auto text = (task->kind == Kind::boot ? "boot " : "run ") + std::to_string(task->number);
    return task->kind == Kind::run && task->boot ? text + " of " + std::to_string(*task->boot)
                                                 : text;
}

/// A skbtrail that notes what it was asked for in `log`, keeps guests, takes them up, and fails as
/// the lab's name says.
std::string stand_in(const fs::path& log) {
    return "log='" + log.string() + R"('
lab=$2; shift 2
while [ $# -gt 0 ]; do
    case $1 in
    --result) result=$2 ;;
    --keep-guest) keep=$2 ;;
    --resume-guest) resume=$2 ;;
    esac
    shift
done
if [ "$keep" ]; then
    echo "boot for $lab" >> "$log"
    [ "$lab" != unbootable ] || { echo "it did not boot" >&2; exit 2; }
    echo guest > "$keep"
    exit 0
fi
if [ "$resume" ]; then
    [ -f "$resume" ] || exit 3
    [ "$lab" != sleepy ] || { echo "it did not wake up" >&2; exit 75; }
    echo "$lab resumed" >> "$log"
else
    echo "$lab booted" >> "$log"
fi
[ "$lab" != deadly ] || kill -9 $$
printf '{"format":"skbtrail-result","version":1,"lab":"","kernel":"","release":"r","outcome":"passed","text":"","seconds":0,"directory":"","chains":[]}' > "$result"
)";
}

struct Batch {
    std::vector<LabResult> results;
    std::vector<std::string> notices;
    std::string log;
    bool guests_left = true;
};

Batch run_batch(const std::vector<std::string>& labs, std::vector<std::string> machines) {
    const TemporaryDirectory scratch;
    const auto log = scratch.write("log", "");
    const auto guests = scratch.path() / "guests";
    fs::create_directories(guests);
    std::vector<Cell> cells;
    for (const auto& lab : labs) cells.push_back({lab, "6.12"});
    const SignalWatch signals;
    Batch batch;
    const auto look = [&](const PoolState& state) { batch.notices = state.notices; };
    batch.results = run_all(cells,
                            {.program = scratch.script("stand-in", stand_in(log)),
                             .arguments = {},
                             .directory = scratch.path() / "out",
                             .jobs = 1,
                             .machines = std::move(machines),
                             .guests = guests},
                            signals, look, look);
    batch.log = skbtrail::guest::read_file(log);
    batch.guests_left = !fs::is_empty(guests);
    return batch;
}

}  // namespace

TEST_CASE("runs that agree share a boot, which comes before the first of them") {
    Boots boots({"a", "b", "a", "", "a"});
    CHECK(next(boots) == "boot 0");
    // While it boots, what needs no boot, or too few to share one, goes on.
    CHECK(next(boots) == "run 1");
    CHECK(next(boots) == "run 3");
    CHECK(next(boots) == "nothing");
    CHECK(boots.one_of(0) == 0);
    CHECK(boots.size_of(0) == 3);
    boots.booted(0, true);
    CHECK(next(boots) == "run 0 of 0");
    CHECK(next(boots) == "run 2 of 0");
    CHECK(next(boots) == "run 4 of 0");
    CHECK(next(boots) == "nothing");
}

TEST_CASE("two runs are too few to share a boot") {
    Boots boots({"a", "a"});
    CHECK(next(boots) == "run 0");
    CHECK(next(boots) == "run 1");
    CHECK(next(boots) == "nothing");
}

TEST_CASE("a kept guest is given up with the last run that it served") {
    Boots boots({"a", "a", "a"});
    CHECK(next(boots) == "boot 0");
    boots.booted(0, true);
    while (boots.next()) {
    }
    CHECK_FALSE(boots.ended(1));
    CHECK_FALSE(boots.ended(0));
    CHECK(boots.ended(2) == 0);
}

TEST_CASE("without its boot each run boots its own guest") {
    Boots boots({"a", "a", "a"});
    CHECK(next(boots) == "boot 0");
    boots.booted(0, false);
    CHECK(next(boots) == "run 0");
    CHECK(next(boots) == "run 1");
}

TEST_CASE("a run that could not take its guest up goes again, and the others do without it") {
    Boots boots({"a", "a", "a"});
    CHECK(next(boots) == "boot 0");
    boots.booted(0, true);
    CHECK(next(boots) == "run 0 of 0");
    boots.not_resumed(0);
    CHECK(next(boots) == "run 0");
    CHECK(next(boots) == "run 1");
    CHECK_FALSE(boots.ended(0));
    CHECK_FALSE(boots.ended(1));
    CHECK(next(boots) == "run 2");
    CHECK(boots.ended(2) == 0);
}

TEST_CASE("a batch boots once for labs that agree, and one that dies takes no other with it") {
    const auto batch = run_batch({"a", "deadly", "b"}, {"m", "m", "m"});
    CHECK(batch.log == "boot for a\na resumed\ndeadly resumed\nb resumed\n");
    REQUIRE(batch.results.size() == 3);
    CHECK(batch.results[0].outcome == LabOutcome::passed);
    CHECK(batch.results[0].guest == "guest-0");
    CHECK(batch.results[1].outcome == LabOutcome::failed);
    CHECK(batch.results[2].outcome == LabOutcome::passed);
    CHECK(batch.notices.empty());
    CHECK_FALSE(batch.guests_left);
}

TEST_CASE("a boot that fails is told, and every lab has its result all the same") {
    const auto batch = run_batch({"unbootable", "a", "b"}, {"m", "m", "m"});
    CHECK(batch.log == "boot for unbootable\nunbootable booted\na booted\nb booted\n");
    REQUIRE(batch.results.size() == 3);
    for (const auto& result : batch.results) {
        CHECK(result.outcome == LabOutcome::passed);
        CHECK(result.guest.empty());
    }
    REQUIRE(batch.notices.size() == 1);
    CHECK_THAT(batch.notices.front(),
               ContainsSubstring("for 3 labs") && ContainsSubstring("it did not boot"));
}

TEST_CASE("a guest that does not wake up is told, and the rest boot their own") {
    const auto batch = run_batch({"a", "sleepy", "b"}, {"m", "m", "m"});
    CHECK(batch.log == "boot for a\na resumed\nsleepy booted\nb booted\n");
    REQUIRE(batch.results.size() == 3);
    for (const auto& result : batch.results) CHECK(result.outcome == LabOutcome::passed);
    CHECK(batch.results[0].guest == "guest-0");
    CHECK(batch.results[1].guest.empty());
    REQUIRE(batch.notices.size() == 1);
    CHECK_THAT(batch.notices.front(),
               ContainsSubstring("sleepy-6.12") && ContainsSubstring("it did not wake up"));
    CHECK_FALSE(batch.guests_left);
}
