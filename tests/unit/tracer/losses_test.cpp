#include "tracer/losses.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

using namespace skbtrail;
using tracer::count_once;

TEST_CASE("a call that the kernel hid is counted where it is missing, not again as hidden") {
    std::vector<chain::Loss> losses{{"probe_missed", std::nullopt, 7, "hidden"},
                                    {"call_without_event", 0U, 2, "without", "ip_rcv"},
                                    {"call_without_event", 1U, 3, "without", "icmp_rcv"}};
    count_once(losses);
    CHECK(chain::total(losses) == 7);
    CHECK(losses[0].count == 2);  // in calls that the tree does not have
    CHECK(losses[0].detail == "hidden; 5 more are counted as call_without_event");
    CHECK(losses[1].count == 2);
    CHECK(losses[1].detail == "without");

    // More is missing than was hidden: for another reason.
    losses = {{"probe_missed", std::nullopt, 1, ""}, {"call_without_event", 0U, 3, "", "ip_rcv"}};
    count_once(losses);
    CHECK(chain::total(losses) == 3);
}

TEST_CASE("what lost entries leave behind is no further loss") {
    std::vector<chain::Loss> losses{
        {"ring_buffer_overrun", 0U, 100, ""}, {"memory_limit_records", 0U, 10, ""},
        {"ring_buffer_overrun", 1U, 0, ""},   {"event_without_call", 0U, 40, ""},
        {"event_without_call", 1U, 1, ""},    {"page_after_loss", 0U, 3, ""},
        {"page_after_loss", 1U, 1, ""},       {"return_without_entry", std::nullopt, 120, ""}};
    count_once(losses);
    CHECK(losses[3].count == 0);
    CHECK(losses[4].count == 1);  // on that CPU nothing else was lost
    CHECK(losses[5].count == 0);
    CHECK(losses[6].count == 1);
    CHECK(losses[7].count == 10);  // more than entries were lost
    CHECK(chain::total(losses) == 100 + 10 + 1 + 1 + 10);
}
