#include "tracer/tree.h"

#include <algorithm>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "tests/unit/tracer/fixture.h"
#include "tracer/policy.h"

using namespace skbtrail::tracer;
using test::Story;

namespace {

Forest forest_of(const Story& story, const FunctionTable& table, const Window& window = {}) {
    std::map<unsigned, CpuMatch> matches;
    for (const auto& [cpu, one] : story.capture.cpus()) {
        matches.emplace(cpu, match_cpu(one, table, window));
    }
    return build_forest(story.capture, matches, table, window);
}

/// "a(b c(d))"
std::string draw(const Forest& forest, const FunctionTable& table, NodeId id) {
    const auto& node = forest.nodes[id];
    std::string text = node.function == no_function ? "?" : table[node.function].name;
    if (node.first_child == no_node) return text;
    text += '(';
    for (auto child = node.first_child; child != no_node; child = forest.nodes[child].next) {
        if (child != node.first_child) text += ' ';
        text += draw(forest, table, child);
    }
    return text + ')';
}

std::vector<std::string> draw(const Forest& forest, const FunctionTable& table) {
    std::vector<std::string> trees;
    for (const auto top : forest.tops) trees.push_back(draw(forest, table, top));
    return trees;
}

using Trees = std::vector<std::string>;

const FunctionTable& names() {
    static const auto table =
        test::make_table({}, {"a", "b", "c", "d", "__napi_poll", "poll", "vring_interrupt",
                              "irq_enter_rcu", "irq_exit_rcu", "handle_softirqs"});
    return table;
}

}  // namespace

TEST_CASE("entries and returns make a tree, with durations") {
    Story story(names());
    story.enter("a").enter("b").leave("b").enter("c").enter("d").leave("d").leave("c").leave("a");
    const auto forest = forest_of(story, names());
    CHECK(draw(forest, names()) == Trees{"a(b c(d))"});
    CHECK(forest.nodes[0].end - forest.nodes[0].start == 70);
    CHECK(forest.nodes[1].end - forest.nodes[1].start == 10);
    for (const auto& node : forest.nodes) CHECK(node.incomplete == 0);
}

TEST_CASE("a poll is cut out of the call that it ran in") {
    Story story(names());
    story.enter("a").context(flag_softirq).enter("__napi_poll").enter("poll").leave("poll");
    story.leave("__napi_poll").context(0).enter("b").leave("b").leave("a");
    const auto forest = forest_of(story, names());
    CHECK(draw(forest, names()) == Trees{"a(b)", "__napi_poll(poll)"});
    CHECK(forest.nodes[1].cut);
    CHECK(forest.nodes[1].parent == 0);
}

TEST_CASE("a poll of a busy-polling task is cut out, too") {
    Story story(names());
    story.enter("a").enter("__napi_poll").leave("__napi_poll").leave("a");
    CHECK(draw(forest_of(story, names()), names()) == Trees{"a", "__napi_poll"});
}

TEST_CASE("a hard interrupt is cut out of a softirq") {
    Story story(names());
    story.context(flag_softirq).enter("__napi_poll").enter("poll");
    story.context(flag_softirq | flag_hardirq).enter("vring_interrupt").enter("a").leave("a");
    story.leave("vring_interrupt").context(flag_softirq).leave("poll").leave("__napi_poll");
    const auto forest = forest_of(story, names());
    CHECK(draw(forest, names()) == Trees{"__napi_poll(poll)", "vring_interrupt(a)"});
}

TEST_CASE("threads on one CPU do not mix, and one thread may change the CPU") {
    Story story(names());
    story.thread(1).enter("a").thread(2).enter("b").thread(1).enter("c").on_cpu(1).leave("c");
    story.on_cpu(0).thread(2).leave("b").on_cpu(1).thread(1).leave("a");
    const auto forest = forest_of(story, names());
    CHECK(draw(forest, names()) == Trees{"a(c)", "b"});
    for (const auto& node : forest.nodes) CHECK(node.end != 0);
}

TEST_CASE("the idle threads of two CPUs are two threads") {
    Story story(names());
    story.thread(0).on_cpu(0).enter("a").on_cpu(1).enter("b").on_cpu(0).enter("c").leave("c");
    story.leave("a").on_cpu(1).leave("b");
    CHECK(draw(forest_of(story, names()), names()) == Trees{"a(c)", "b"});
}

TEST_CASE("a call that never returned is marked") {
    Story story(names());
    story.enter("a").enter("b");
    const auto forest = forest_of(story, names());
    CHECK(draw(forest, names()) == Trees{"a(b)"});
    CHECK(forest.nodes[0].incomplete == incomplete::ended);
    CHECK(forest.nodes[0].end == 0);
}

TEST_CASE("returns of calls that began before the recording are nothing to report") {
    Story story(names());
    story.enter("a").enter("b");
    story.capture.cpus().at(0).records.clear();
    story.leave("b").leave("a").enter("c").leave("c");
    const auto forest = forest_of(story, names());
    CHECK(draw(forest, names()) == Trees{"c"});
    CHECK(forest.returns_without_entry == 0);
}

TEST_CASE("open calls are marked when their CPU's buffer lost events") {
    Story story(names());
    story.enter("a").enter("b").leave("b").lose().enter("c").leave("c").leave("a");
    const auto forest = forest_of(story, names());
    CHECK(forest.nodes[0].incomplete == incomplete::lost);
    CHECK(forest.nodes[1].incomplete == 0);
    CHECK(forest.nodes[2].incomplete == 0);
}

TEST_CASE("a tree whose upper calls were lost is marked at its top") {
    Story story(names());
    story.enter("a").enter("b").enter("c").leave("c").lose().enter("d").leave("d").leave("b");
    story.leave("a").enter("a").leave("a");
    auto& records = story.capture.cpus().at(0).records;
    records.erase(records.begin(), records.begin() + 4);
    const auto forest = forest_of(story, names());
    CHECK(draw(forest, names()) == Trees{"d", "a"});
    CHECK(forest.nodes[0].incomplete == incomplete::lost);
    CHECK(forest.nodes[1].incomplete == 0);
}

TEST_CASE("a lost return is noticed by the next call that is as deep") {
    Story story(names());
    story.enter("a").enter("b").leave("b").enter("c").leave("c").leave("a");
    auto& records = story.capture.cpus().at(0).records;
    records.erase(records.begin() + 2);  // b's return
    const auto forest = forest_of(story, names());
    CHECK(draw(forest, names()) == Trees{"a(b c)"});
    CHECK(forest.nodes[1].incomplete == incomplete::no_return);
    CHECK(forest.nodes[1].end == 0);
    CHECK(forest.nodes[0].incomplete == 0);
}

TEST_CASE("a lost return is noticed by the return of its caller") {
    Story story(names());
    story.enter("a").enter("b").enter("c").leave("c").leave("b").leave("a");
    auto& records = story.capture.cpus().at(0).records;
    records.erase(records.begin() + 4);  // b's return
    const auto forest = forest_of(story, names());
    CHECK(forest.nodes[1].incomplete == incomplete::no_return);
    CHECK(forest.nodes[0].end != 0);
}

TEST_CASE("a lost entry leaves a gap, and its return is counted") {
    Story story(names());
    story.enter("a").enter("b").enter("c").leave("c").leave("b").leave("a");
    auto& records = story.capture.cpus().at(0).records;
    records.erase(records.begin() + 1);  // b's entry
    const auto forest = forest_of(story, names());
    CHECK(draw(forest, names()) == Trees{"a(c)"});
    CHECK((forest.nodes[0].incomplete & incomplete::gap) != 0);
    CHECK(forest.returns_without_entry == 1);
    CHECK(forest.nodes[0].end != 0);
}

TEST_CASE("an interrupt between a call and its record is no gap") {
    // As ftrace writes it: b's depth is counted, then the interrupt's call, then b's entry.
    const auto record_early = [](Story& story) {
        auto& records = story.capture.cpus().at(0).records;
        std::rotate(records.begin() + 1, records.begin() + 2, records.begin() + 4);
        for (std::size_t i = 1; i < 4; ++i) records[i].time = records[0].time + i;
    };
    Story story(names());
    story.enter("a").enter("b");
    story.context(flag_hardirq).enter("vring_interrupt").leave("vring_interrupt");
    story.context(0).leave("b").leave("a");
    SECTION("when the entry follows") {
        record_early(story);
        const auto forest = forest_of(story, names());
        CHECK(draw(forest, names()) == Trees{"a(b)", "vring_interrupt"});
        for (const auto& node : forest.nodes) CHECK(node.incomplete == 0);
        CHECK(forest.returns_without_entry == 0);
    }
    SECTION("but it is one when the entry does not follow") {
        record_early(story);
        auto& records = story.capture.cpus().at(0).records;
        records.erase(records.begin() + 3);  // b's entry
        const auto forest = forest_of(story, names());
        CHECK((forest.nodes[0].incomplete & incomplete::gap) != 0);
        CHECK(forest.returns_without_entry == 1);
    }
}

TEST_CASE("an interrupt's time is told of the calls that it interrupted") {
    Story story(names());
    const auto handled = [&story](const auto& handle) {
        story.enter("irq_enter_rcu").leave("irq_enter_rcu").context(flag_hardirq);
        story.enter("vring_interrupt").leave("vring_interrupt").enter("irq_exit_rcu");
        handle();
        story.context(0).leave("irq_exit_rcu");
    };
    SECTION("with the softirqs behind it, and once") {
        story.enter("a").leave("a").enter("b").enter("c");
        handled([&] {
            story.context(flag_softirq).enter("d");
            story.enter("irq_enter_rcu").leave("irq_enter_rcu");
            story.context(flag_softirq | flag_hardirq).enter("irq_exit_rcu").leave("irq_exit_rcu");
            story.context(flag_softirq).leave("d");
        });
        story.leave("c").leave("b").enter("a").leave("a");
        const auto forest = forest_of(story, names());
        CHECK(draw(forest, names()) == Trees{"a", "b(c)", "vring_interrupt", "d", "a"});
        const std::vector<std::uint64_t> interrupted{0, 110, 110, 0, 30, 0};
        REQUIRE(forest.nodes.size() == interrupted.size());
        for (NodeId id = 0; id < forest.nodes.size(); ++id) {
            CAPTURE(id);
            CHECK(forest.nodes[id].interrupted == interrupted[id]);
            CHECK(forest.nodes[id].incomplete == 0);
            CHECK(forest.nodes[id].end != 0);
        }
        CHECK(forest.nodes[4].parent == 2);
        CHECK(forest.returns_without_entry == 0);
    }
    SECTION("between a call and its record") {
        // c's depth is counted, then the interrupt comes, then c's entry is written.
        story.enter("b").enter("c");
        handled([] {});
        story.leave("c").leave("b");
        auto& records = story.capture.cpus().at(0).records;
        std::rotate(records.begin() + 1, records.begin() + 2, records.begin() + 8);
        for (std::size_t i = 1; i < 8; ++i) records[i].time = records[0].time + i;
        const auto forest = forest_of(story, names());
        CHECK(draw(forest, names()) == Trees{"b(c)", "vring_interrupt"});
        CHECK(forest.nodes[0].interrupted == 5);
        for (const auto& node : forest.nodes) CHECK(node.incomplete == 0);
    }
    SECTION("between a return and its record") {
        // Before 6.11: b's depth is counted down, then the interrupt comes, then the return is
        // written. The interrupt is as deep as b.
        story.enter("a").enter("b").leave("b");
        const bool told = GENERATE(true, false);
        if (told) {
            handled([] {});
        } else {
            story.context(flag_hardirq).enter("vring_interrupt").leave("vring_interrupt");
            story.context(0);
        }
        auto& records = story.capture.cpus().at(0).records;
        std::rotate(records.begin() + 2, records.begin() + 3, records.end());
        for (std::size_t i = 2; i < records.size(); ++i) records[i].time = records[0].time + i;
        story.enter("c").leave("c").leave("a");
        const auto forest = forest_of(story, names());
        CHECK(draw(forest, names()) == Trees{"a(b c)", "vring_interrupt"});
        CHECK(forest.nodes[1].interrupted == (told ? 5 : 0));
        CHECK(forest.returns_without_entry == 0);
        for (const auto& node : forest.nodes) {
            CHECK(node.incomplete == 0);
            CHECK(node.end != 0);
        }
    }
    SECTION("as that of softirqs that it held back") {
        story.enter("a").enter("b").enter("handle_softirqs").context(flag_softirq);
        story.enter("d").leave("d").context(0).leave("handle_softirqs").leave("b");
        story.enter("c").leave("c").leave("a");
        const auto forest = forest_of(story, names());
        CHECK(draw(forest, names()) == Trees{"a(b c)", "d"});
        CHECK(forest.nodes[0].interrupted == 30);
        CHECK(forest.nodes[1].interrupted == 30);
        CHECK(forest.nodes[2].interrupted == 0);
        CHECK(forest.nodes[2].parent == 1);
        for (const auto& node : forest.nodes) CHECK(node.incomplete == 0);
    }
    SECTION("whose end was lost: what comes behind is no part of it") {
        story.enter("b");
        handled([] {});
        story.enter("c").leave("c").leave("b").enter("a").enter("d").leave("d").leave("a");
        auto& records = story.capture.cpus().at(0).records;
        records.erase(records.begin() + 6);  // the return of irq_exit_rcu
        const auto forest = forest_of(story, names());
        CHECK(draw(forest, names()) == Trees{"b(c)", "vring_interrupt", "a(d)"});
        for (const auto& node : forest.nodes) CHECK(node.interrupted == 0);
    }
}

TEST_CASE("calls too deep for ftrace are counted and their caller is marked") {
    Story story(names());
    story.enter("a").enter("b").leave("b").enter("c").enter("d").overrun(3).leave("d").leave("c");
    story.leave("a");
    const auto forest = forest_of(story, names());
    CHECK(forest.too_deep == 3);
    CHECK(forest.nodes[3].incomplete == incomplete::deep);
}

TEST_CASE("a record of a function that was not asked for is kept and counted") {
    Story story(names());
    story.enter("a").leave("a");
    for (auto& record : story.capture.cpus().at(0).records) record.site = 0xdead;
    const auto forest = forest_of(story, names());
    CHECK(draw(forest, names()) == Trees{"?"});
    CHECK(forest.unknown_functions == 2);
}
