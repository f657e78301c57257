#include "labs/runner/guest_progress.h"

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
using guest::CollectorMessage;
using guest::EndMessage;
using guest::ErrorMessage;
using guest::FileMessage;
using guest::NoticeMessage;
using guest::OutputMessage;
using guest::PhaseMessage;
using namespace std::chrono_literals;

Lab ping_lab() {
    Lab lab;
    lab.name = "ping";
    lab.steps = {{.name = "prepare", .run = "prepare.sh", .record = false, .deadline = 20s},
                 {.name = "exercise", .run = "run.sh", .record = true, .deadline = 60s}};
    return lab;
}

PhaseMessage phase(std::string_view name, const std::string& step = {},
                   std::optional<int> status = {}, bool late = false) {
    return {std::string(name), 1000, step, status, late};
}

CollectorMessage collector(const nlohmann::json& status) {
    return {"exercise", status};
}

/// A run's guest, with the phases that came of what it said.
struct Story {
    TimePoint now{100s};
    std::vector<std::string> finished;
    std::vector<std::string> failed;
    Lab lab = ping_lab();
    PhaseLog phases{[this] { return now; },
                    [this](const PhaseEvent& event) {
                        if (event.kind == PhaseEvent::Kind::finished) {
                            finished.push_back(event.phase);
                        } else if (event.kind == PhaseEvent::Kind::failed) {
                            failed.push_back(event.phase);
                        }
                    }};
    GuestProgress progress{lab, phases};

    void say(const std::vector<guest::Message>& messages) {
        for (const auto& message : messages) {
            progress.take(message);
        }
    }
    void boot() {
        progress.started();
        say({phase("booted"), phase("modules loaded")});
    }
    void prepare() { say({phase("step started", "prepare"), phase("step ended", "prepare", 0)}); }
    void record() {
        say({phase("step started", "exercise"),
             collector({{"event", "prepared"}, {"plan", "used"}}),
             collector({{"event", "attached"}, {"functions", 7250}, {"probed", 1530}}),
             collector({{"event", "command started"}})});
    }
};

TEST_CASE("a guest's story becomes phases without a gap") {
    Story story;
    story.boot();
    CHECK(story.phases.current() == "modules");
    story.prepare();
    story.record();
    CHECK(story.phases.current() == "exercise");
    story.say({collector({{"event", "command ended"}, {"status", 0}}),
               collector({{"event", "recording written"}, {"chains", 3}}),
               phase("step ended", "exercise", 0), FileMessage{"recording.json", "exercise", "{}"},
               FileMessage{std::string(new_plan_path), "", "plan"}, EndMessage{0}});

    CHECK(story.finished == std::vector<std::string>{"boot", "modules", "prepare", "next step",
                                                     "collector prepared", "collector attached",
                                                     "exercise", "recording received",
                                                     "power-off"});
    CHECK(story.progress.results().ended);
    CHECK(story.progress.results().recording == "{}");
    CHECK(story.progress.results().plan == "plan");
    CHECK(story.phases.current().empty());
}

TEST_CASE("a guest that is taken up again goes on from its job") {
    Story story;
    story.progress.started("job sent");
    CHECK(story.phases.current() == "job sent");
    story.say({phase("booted"), phase("modules loaded")});
    story.prepare();
    CHECK(story.finished.front() == "job sent");
    CHECK(story.phases.current() == "next step");
}

TEST_CASE("there is always a deadline while the guest runs") {
    Story story;
    story.boot();
    CHECK(story.phases.deadline());
    story.prepare();
    CHECK(story.phases.deadline());
    story.record();
    CHECK(story.phases.deadline() >= story.now + 60s);
    story.say({collector({{"event", "command ended"}, {"status", 0}})});
    CHECK(story.phases.deadline());
}

TEST_CASE("a step that fails is told with its last line") {
    Story story;
    story.boot();
    story.say({phase("step started", "prepare"),
               OutputMessage{"prepare", OutputMessage::Stream::standard_error,
                             "one\nip: \x1b[31mno such device\n"},
               phase("step ended", "prepare", 2)});
    CHECK_THROWS_WITH(story.progress.take(EndMessage{1}),
                      ContainsSubstring("prepare.sh) ended with status 2") &&
                          ContainsSubstring("ip:  [31mno such device"));
    REQUIRE(story.phases.failure());
    CHECK(story.phases.failure()->phase == "prepare");
}

TEST_CASE("a step that fails is told with what the guest noticed of it") {
    Story story;
    story.boot();
    story.say({NoticeMessage{"Of something else."}, phase("step started", "prepare"),
               OutputMessage{"prepare", OutputMessage::Stream::standard_output,
                             "232+0 records out\n" + std::string(3, '\0')},
               NoticeMessage{"The file system /tmp is full."}, phase("step ended", "prepare", 1),
               ErrorMessage{"The step prepare failed with status 1."}});
    CHECK_THROWS_WITH(story.progress.take(EndMessage{1}),
                      ContainsSubstring("status 1. Its last line: 232+0 records out – The file "
                                        "system /tmp is full.") &&
                          !ContainsSubstring("something else"));
    CHECK(std::ranges::count(story.failed, "power-off") == 0);
}

TEST_CASE("of a line without an end its end is told") {
    Story story;
    story.boot();
    story.say({phase("step started", "prepare"),
               OutputMessage{"prepare", OutputMessage::Stream::standard_output,
                             std::string(5000, 'x') + "the end"},
               phase("step ended", "prepare", 3)});
    std::string told;
    try {
        story.progress.take(EndMessage{1});
    } catch (const CannotRun& error) {
        told = error.what();
    }
    CHECK_THAT(told, ContainsSubstring("…x") && ContainsSubstring("xthe end"));
    CHECK(told.size() < 400);
}

TEST_CASE("a recording is taken also when the recorded step failed") {
    Story story;
    story.boot();
    story.prepare();
    story.record();
    story.say({collector({{"event", "command ended"}, {"status", 1}}),
               phase("step ended", "exercise", 1),
               FileMessage{"recording.json", "exercise", "{}"}});
    CHECK(story.progress.results().recording == "{}");
    CHECK_THROWS_WITH(story.progress.take(EndMessage{1}), ContainsSubstring("\"exercise\""));
    CHECK(story.phases.failure()->phase == "exercise");
}

TEST_CASE("a step that is killed at its deadline says so") {
    Story story;
    story.boot();
    story.say({phase("step started", "prepare"), phase("step ended", "prepare", 137, true)});
    CHECK_THROWS_WITH(story.progress.take(EndMessage{1}),
                      ContainsSubstring("did not end within its 20 s"));
}

TEST_CASE(
    "a recorded step that is stopped at its deadline is told as such, not by how it ended then") {
    Story story;
    story.boot();
    story.prepare();
    story.record();
    story.say({phase("step overdue", "exercise"),
               collector({{"event", "command ended"}, {"status", 143}}),
               phase("step ended", "exercise", 143, true),
               FileMessage{"recording.json", "exercise", "{}"}});
    CHECK(story.progress.results().recording == "{}");
    CHECK_THROWS_WITH(story.progress.take(EndMessage{1}),
                      ContainsSubstring("\"exercise\"") &&
                          ContainsSubstring("did not end within its") && !ContainsSubstring("143"));
    CHECK(story.phases.failure()->phase == "exercise");
}

TEST_CASE("a collector that cannot record is told in its words, in its phase") {
    Story story;
    story.boot();
    story.prepare();
    story.say({phase("step started", "exercise"),
               collector({{"event", "error"}, {"message", "no kprobe.multi on 6.1"}}),
               phase("step ended", "exercise", 2)});
    CHECK_THROWS_WITH(story.progress.take(EndMessage{1}),
                      ContainsSubstring("no kprobe.multi on 6.1"));
    CHECK(story.phases.failure()->phase == "collector prepared");
}

TEST_CASE("an error of PID 1 is the run's") {
    Story story;
    story.progress.started();
    story.say({phase("booted"), ErrorMessage{"cannot load /modules/x.ko"}});
    CHECK_THROWS_WITH(story.progress.closed("gone"), ContainsSubstring("/modules/x.ko"));
    CHECK(story.phases.failure()->phase == "modules");
}

TEST_CASE("a guest that goes without its last word has failed where it was") {
    Story story;
    story.boot();
    CHECK_THROWS_WITH(story.progress.closed("the guest is gone"), "the guest is gone");
    CHECK(story.phases.failure()->phase == "modules");
}

TEST_CASE("what no guest of ours says does no harm") {
    Story story;
    story.boot();
    story.say({phase("step started", "no such step"), phase("step ended", "no such step", 1),
               collector(nlohmann::json::object()), collector({{"event", 3}}),
               FileMessage{"/etc/passwd", "", "x"}, phase("something else")});
    CHECK(story.phases.current() == "modules");
    CHECK_FALSE(story.progress.results().recording);
}

TEST_CASE("output is kept up to a bound") {
    Story story;
    story.boot();
    const std::string flood(std::size_t{1} << 20, 'x');
    for (int i = 0; i < 10; ++i) {
        story.say({OutputMessage{"prepare", OutputMessage::Stream::standard_output, flood}});
    }
    CHECK(story.progress.results().output.size() <= std::size_t{5} << 20);
}

}  // namespace
}  // namespace skbtrail::labs
