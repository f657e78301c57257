#include "tracer/merge.h"

#include <catch2/catch_test_macros.hpp>

#include "tests/unit/tracer/fixture.h"

using namespace skbtrail::tracer;
using test::sight;
using test::Story;

namespace {

/// The functions of the joined records, in order, as "record index:group index".
std::vector<std::pair<std::uint32_t, std::uint32_t>> pairs_of(const CpuMatch& match) {
    std::vector<std::pair<std::uint32_t, std::uint32_t>> pairs;
    for (std::uint32_t i = 0; i < match.group_of_record.size(); ++i) {
        if (match.group_of_record[i] != no_group) pairs.emplace_back(i, match.group_of_record[i]);
    }
    return pairs;
}

std::uint64_t calls_without_event(const CpuMatch& match) {
    std::uint64_t sum = 0;
    for (const auto& [function, count] : match.calls_without_event) sum += count;
    return sum;
}

using Pairs = std::vector<std::pair<std::uint32_t, std::uint32_t>>;

}  // namespace

TEST_CASE("every call meets its own event") {
    const auto table = test::make_table({"outer", "inner"}, {"unprobed"});
    Story story(table);
    story.call("outer")
        .leaf("inner")
        .enter("unprobed")
        .leave("unprobed")
        .leaf("inner")
        .leave("outer");
    const auto match = match_cpu(story.capture.cpus().at(0), table, {});
    CHECK(pairs_of(match) == Pairs{{0, 0}, {1, 1}, {5, 2}});
    CHECK(calls_without_event(match) == 0);
    CHECK(match.events_without_call == 0);
}

TEST_CASE("the events may come first, as on kernels where fprobe is part of the graph") {
    const auto table = test::make_table({"outer", "inner"});
    Story story(table);
    story.event("outer").enter("outer").event("inner").enter("inner").leave("inner");
    story.event("inner").enter("inner").leave("inner").leave("outer");
    const auto match = match_cpu(story.capture.cpus().at(0), table, {});
    CHECK(pairs_of(match) == Pairs{{0, 0}, {1, 1}, {3, 2}});
    CHECK(calls_without_event(match) == 0);
    CHECK(match.events_without_call == 0);
}

TEST_CASE("an interrupt between a call's record and its event keeps both apart") {
    const auto table = test::make_table({"rx"});
    Story story(table);
    story.enter("rx")
        .context(flag_softirq)
        .leaf("rx")
        .leaf("rx")
        .context(0)
        .event("rx")
        .leave("rx");
    const auto match = match_cpu(story.capture.cpus().at(0), table, {});
    // The first record belongs to the last event.
    CHECK(pairs_of(match) == Pairs{{0, 2}, {1, 0}, {3, 1}});
    CHECK(calls_without_event(match) == 0);
}

TEST_CASE("what is around an interrupt does not end the wait for a call's event") {
    // Their records have the state of the context that is interrupted.
    const auto table = test::make_table({"rx", "vring"}, {"irq_enter_rcu", "irq_exit_rcu"});
    Story story(table);
    story.enter("rx").enter("irq_enter_rcu").leave("irq_enter_rcu");
    story.context(flag_hardirq).leaf("vring").enter("irq_exit_rcu");
    story.context(0).leave("irq_exit_rcu").event("rx").leave("rx");
    const auto match = match_cpu(story.capture.cpus().at(0), table, {});
    CHECK(pairs_of(match) == Pairs{{0, 1}, {3, 0}});
    CHECK(calls_without_event(match) == 0);
    CHECK(match.events_without_call == 0);
}

TEST_CASE("a call whose event was lost does not take the next one's") {
    const auto table = test::make_table({"rx"});
    Story story(table);
    story.leaf("rx").enter("rx").leave("rx").leaf("rx").leaf("rx");
    const auto match = match_cpu(story.capture.cpus().at(0), table, {});
    CHECK(pairs_of(match) == Pairs{{0, 0}, {4, 1}, {6, 2}});
    CHECK(calls_without_event(match) == 1);
    CHECK(match.events_without_call == 0);
}

TEST_CASE("a whole softirq hidden from the probes is counted call by call") {
    const auto table = test::make_table({"tx", "rx"});
    Story story(table);
    story.enter("tx").context(flag_softirq);
    for (int i = 0; i < 3; ++i) story.enter("rx").leave("rx");
    story.context(0).event("tx").leave("tx").leaf("rx");
    const auto match = match_cpu(story.capture.cpus().at(0), table, {});
    CHECK(calls_without_event(match) == 3);
    CHECK(match.events_without_call == 0);
    CHECK(pairs_of(match) == Pairs{{0, 0}, {8, 1}});
}

TEST_CASE("an event whose call was overwritten is counted") {
    const auto table = test::make_table({"rx"});
    Story story(table);
    story.event("rx").event("rx").leaf("rx");
    const auto match = match_cpu(story.capture.cpus().at(0), table, {});
    CHECK(match.events_without_call == 2);
    CHECK(calls_without_event(match) == 0);
    CHECK(pairs_of(match) == Pairs{{0, 2}});
}

TEST_CASE("losses on both sides are counted on both") {
    const auto table = test::make_table({"rx"});
    Story story(table);
    story.enter("rx").leave("rx").leaf("rx").event("rx").leaf("rx");
    const auto match = match_cpu(story.capture.cpus().at(0), table, {});
    CHECK(calls_without_event(match) == 1);
    CHECK(match.events_without_call == 1);
}

TEST_CASE("nothing is missed outside the window in which both sides were on") {
    const auto table = test::make_table({"rx"});
    Story story(table);
    story.enter("rx").leave("rx");
    const auto begin = story.now();
    story.leaf("rx");
    const auto end = story.now();
    story.enter("rx").leave("rx").event("rx");
    const auto match = match_cpu(story.capture.cpus().at(0), table, {begin, end});
    CHECK(calls_without_event(match) == 0);
    CHECK(match.events_without_call == 0);
}

TEST_CASE("the events of one call are one group, in whichever order the ring buffer has them") {
    const auto table = test::make_table({"ip_list_rcv", "irq"});
    Story story(table);
    auto first = sight(0x100, 0x10000);
    auto second = sight(0x200, 0x20000);
    second.member = 1;
    story.enter("ip_list_rcv").event("ip_list_rcv", first);
    const auto sequence = story.capture.cpus().at(0).events.back().sequence;
    const auto time = story.capture.cpus().at(0).events.back().time;
    story.context(flag_hardirq).leaf("irq").context(0).event("ip_list_rcv", second);
    auto& late = story.capture.cpus().at(0).events.back();
    late.sequence = sequence;
    late.time = time;
    story.leave("ip_list_rcv");
    const auto match = match_cpu(story.capture.cpus().at(0), table, {});
    REQUIRE(match.groups.size() == 2);
    CHECK(match.groups[0].count == 2);
    CHECK(match.events[match.groups[0].first].skb == 0x100);
    CHECK(match.events[match.groups[0].first + 1].skb == 0x200);
    CHECK(calls_without_event(match) == 0);
}

TEST_CASE("an event of a function that nobody asked for is counted, not joined") {
    const auto table = test::make_table({"rx"});
    Story story(table);
    story.leaf("rx");
    auto stranger = story.capture.cpus().at(0).events.front();
    stranger.function = 0xdead;
    stranger.sequence = 99;
    story.capture.cpus().at(0).events.push_back(stranger);
    const auto match = match_cpu(story.capture.cpus().at(0), table, {});
    CHECK(match.unknown_functions == 1);
    CHECK(calls_without_event(match) == 0);
}

TEST_CASE("a recorded ping: every probed call has its event, on both CPUs") {
    const auto recorded = test::load_recorded(test::ping_of_any_kernel());
    std::size_t joined = 0;
    for (const auto& [cpu, one] : recorded.capture.cpus()) {
        const auto match = match_cpu(one, recorded.functions, {});
        CHECK(calls_without_event(match) == 0);
        CHECK(match.events_without_call == 0);
        CHECK(match.unknown_functions == 0);
        for (std::size_t i = 0; i < match.group_of_record.size(); ++i) {
            if (match.group_of_record[i] == no_group) continue;
            ++joined;
            const auto& group = match.groups[match.group_of_record[i]];
            const auto& record = one.records[i];
            CHECK(recorded.functions.at_site(record.site) == group.function);
            CHECK(group.time >= record.time);
            // An interrupt may come in between.
            CHECK(group.time - record.time < 10'000'000);
        }
    }
    CHECK(joined > 100);
}

TEST_CASE("a recorded ping with events taken out: exactly those calls lack theirs") {
    const auto recorded = test::load_recorded(test::ping_of_any_kernel());
    for (const auto& [cpu, one] : recorded.capture.cpus()) {
        auto damaged = one;
        const auto whole = match_cpu(one, recorded.functions, {});
        damaged.events.clear();
        std::uint64_t removed = 0;
        for (std::size_t i = 0; i < whole.groups.size(); ++i) {
            const auto& group = whole.groups[i];
            if (i % 5 == 2) {
                ++removed;
                continue;
            }
            for (auto k = group.first; k < group.first + group.count; ++k) {
                damaged.events.push_back(whole.events[k]);
            }
        }
        const auto match = match_cpu(damaged, recorded.functions, {});
        CHECK(calls_without_event(match) == removed);
        CHECK(match.events_without_call == 0);
        // Those that are left are joined as before.
        for (std::size_t i = 0; i < one.records.size(); ++i) {
            if (match.group_of_record[i] == no_group) continue;
            CHECK(match.groups[match.group_of_record[i]].time ==
                  whole.groups[whole.group_of_record[i]].time);
        }
    }
}

TEST_CASE("a recorded ping with records overwritten: what is left is joined as before") {
    const auto recorded = test::load_recorded(test::ping_of_any_kernel());
    for (const auto& [cpu, one] : recorded.capture.cpus()) {
        const auto whole = match_cpu(one, recorded.functions, {});
        auto damaged = one;
        const auto third = static_cast<std::ptrdiff_t>(one.records.size() / 3);
        damaged.records.erase(damaged.records.begin(), damaged.records.begin() + third);
        const auto match = match_cpu(damaged, recorded.functions, {});
        std::uint64_t without = 0;
        for (std::ptrdiff_t i = 0; i < third; ++i) {
            if (whole.group_of_record[static_cast<std::size_t>(i)] != no_group) ++without;
        }
        CHECK(match.events_without_call == without);
        CHECK(calls_without_event(match) == 0);
    }
}
