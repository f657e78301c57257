#include "labs/runner/orphans.h"

#include <catch2/catch_test_macros.hpp>

namespace skbtrail::labs {
namespace {

TEST_CASE("the state of a child is read, whatever its program is called") {
    const auto child = parse_child_state("4711 (qemu-system-x86) Z 100 4710 4709 0 -1 4228100");
    CHECK(child.name == "qemu-system-x86");
    CHECK(child.state == 'Z');
    CHECK(child.session == 4709);
    CHECK(parse_child_state("7 (a) b (c)) S 1 2 3 0").name == "a) b (c)");
    CHECK(parse_child_state("7 (a) b (c)) S 1 2 3 0").session == 3);
    for (const auto* text : {"", "no", ")(", "7 (sh) Z x"}) {
        CHECK(parse_child_state(text).name.empty());
    }
}

TEST_CASE("only an ended QEMU of another session is reaped: others have somebody who waits") {
    const ChildState daemon{.name = "qemu-system-x86", .state = 'Z', .session = 20};
    CHECK(is_ended_orphan(daemon, 10));
    CHECK_FALSE(is_ended_orphan({.name = "qemu-system-x86", .state = 'S', .session = 20}, 10));
    CHECK_FALSE(is_ended_orphan(daemon, 20));
    CHECK_FALSE(is_ended_orphan({.name = "skbtrail", .state = 'Z', .session = 20}, 10));
}

}  // namespace
}  // namespace skbtrail::labs
