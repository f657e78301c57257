// Lock-step, with a script in the NIC's place at the control socket and a guest of a few looks.
#include "labs/runner/lock_step.h"

#include <array>
#include <cstring>
#include <deque>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "device/unique_fd.h"
#include "labs/runner/failure.h"
#include "tests/unit/runner/temporary.h"

namespace skbtrail::labs {
namespace {

using Catch::Matchers::ContainsSubstring;

std::string holds(bool frame, bool chains) {
    const auto word = [](bool yes) { return yes ? std::string("true") : std::string("false"); };
    return R"({"ok":true,"result":{"frames_held":true,"frames_released":0,"queues":[)"
           R"({"queue":0,"paused":false,"steps":0,"waiting":)" +
           word(frame) + R"(},{"queue":1,"paused":true,"steps":0,"waiting":)" + word(chains) +
           "}]}}";
}

/// Answers each line with the next of its answers, with the last one when they are used up, and
/// hangs up behind an empty one.
class ScriptedNic {
  public:
    ScriptedNic(const std::filesystem::path& socket, std::vector<std::string> answers)
        : listening_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)),
          answers_(std::move(answers)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, socket.c_str(), sizeof address.sun_path - 1);
        REQUIRE(::bind(listening_.get(), reinterpret_cast<const sockaddr*>(&address),
                       sizeof address) == 0);
        REQUIRE(::listen(listening_.get(), 1) == 0);
        thread_ = std::thread([this] { serve(); });
    }
    /// The client has to be gone.
    ~ScriptedNic() { end(); }
    ScriptedNic(const ScriptedNic&) = delete;
    ScriptedNic& operator=(const ScriptedNic&) = delete;

    /// What it was asked, once the client is gone.
    std::vector<std::string> end() {
        if (thread_.joinable()) thread_.join();
        return asked_;
    }

  private:
    void serve() {
        const device::UniqueFd client(::accept(listening_.get(), nullptr, nullptr));
        std::string text;
        std::array<char, 512> piece;
        for (ssize_t got = 0; (got = ::recv(client.get(), piece.data(), piece.size(), 0)) > 0;) {
            text.append(piece.data(), static_cast<std::size_t>(got));
            for (std::size_t end = 0; (end = text.find('\n')) != std::string::npos;) {
                asked_.push_back(text.substr(0, end));
                text.erase(0, end + 1);
                const auto& answer = answers_[std::min(asked_.size(), answers_.size()) - 1];
                if (answer.empty()) return;
                const auto line = answer + "\n";
                ::send(client.get(), line.data(), line.size(), MSG_NOSIGNAL);
            }
        }
    }

    device::UniqueFd listening_;
    std::vector<std::string> answers_;
    std::vector<std::string> asked_;
    std::thread thread_;
};

/// Shows these, one a look, then the end.
LockStep::Look guest(std::deque<Sleep> looks) {
    return [looks = std::move(looks)]() mutable -> std::optional<Sleep> {
        if (looks.empty()) return std::nullopt;
        const auto now = looks.front();
        looks.pop_front();
        return now;
    };
}

constexpr auto no_pause = [] {};

TEST_CASE("nothing moves while the guest is at work") {
    const TemporaryDirectory temporary;
    ScriptedNic nic(temporary / "ctl", {holds(true, true)});
    {
        NicControl control(temporary / "ctl");
        LockStep lock_step({&control});
        CHECK(lock_step.act(guest({{false, 4}, {false, 4}}), no_pause) == LockStepAct::nothing);
        CHECK(lock_step.act(guest({{true, 4}, {false, 4}}), no_pause) == LockStepAct::nothing);
        // Asleep at both looks, and awake in between.
        CHECK(lock_step.act(guest({{true, 4}, {true, 5}}), no_pause) == LockStepAct::nothing);
        CHECK(lock_step.act(guest({{true, 4}}), no_pause) == LockStepAct::guest_ended);
    }
    CHECK(nic.end() ==
          std::vector<std::string>{R"({"command":"hold"})", R"({"command":"pause","queue":1})"});
}

TEST_CASE("an idle guest's packets are taken first, then it gets a frame, and time to handle it") {
    const TemporaryDirectory temporary;
    const auto all = holds(true, true);
    const auto frame = holds(true, false);
    ScriptedNic nic(temporary / "ctl", {all, all, all, all, all, frame});
    {
        NicControl control(temporary / "ctl");
        LockStep lock_step({&control});
        CHECK(lock_step.act(guest({{true, 4}, {true, 4}}), no_pause) == LockStepAct::took);
        CHECK(lock_step.act(guest({{true, 4}, {true, 4}}), no_pause) == LockStepAct::gave);
        // Not yet woken up by it.
        CHECK(lock_step.act(guest({{true, 4}, {true, 4}}), no_pause) == LockStepAct::nothing);
        CHECK(lock_step.act(guest({{true, 5}, {true, 5}}), no_pause) == LockStepAct::gave);
    }
    CHECK(nic.end() ==
          std::vector<std::string>{R"({"command":"hold"})", R"({"command":"pause","queue":1})",
                                   R"({"command":"hold"})", R"({"command":"resume","queue":1})",
                                   R"({"command":"pause","queue":1})", R"({"command":"hold"})",
                                   R"({"command":"release","count":1})", R"({"command":"hold"})",
                                   R"({"command":"release","count":1})"});
}

TEST_CASE("of two cards both are served, and one frame comes at a time") {
    const TemporaryDirectory temporary;
    const auto both = holds(true, true);
    const auto frame = holds(true, false);
    const auto none = holds(false, false);
    ScriptedNic first(temporary / "one", {none, none, none, none});
    ScriptedNic second(temporary / "two", {both, both, both, both, both, frame});
    {
        NicControl one(temporary / "one");
        NicControl two(temporary / "two");
        LockStep lock_step({&one, &two});
        CHECK(lock_step.act(guest({{true, 4}, {true, 4}}), no_pause) == LockStepAct::took);
        CHECK(lock_step.act(guest({{true, 4}, {true, 4}}), no_pause) == LockStepAct::gave);
    }
    const std::string hold = R"({"command":"hold"})";
    const std::string pause = R"({"command":"pause","queue":1})";
    CHECK(first.end() == std::vector<std::string>{hold, pause, hold, hold});
    CHECK(second.end() == std::vector<std::string>{hold, pause, hold,
                                                   R"({"command":"resume","queue":1})", pause, hold,
                                                   R"({"command":"release","count":1})"});
}

TEST_CASE("a guest that sleeps through a frame gets the next one all the same") {
    const TemporaryDirectory temporary;
    ScriptedNic nic(temporary / "ctl", {holds(true, false)});
    NicControl control(temporary / "ctl");
    LockStep lock_step({&control});
    const auto asleep = [] { return std::optional(Sleep{true, 9}); };
    unsigned given = 0;
    for (int look = 0; look < 750; ++look) {
        given += lock_step.act(asleep, no_pause) == LockStepAct::gave ? 1 : 0;
    }
    CHECK(given == 3);
}

TEST_CASE("lock-step ends with the NIC, and says nothing of its own about that") {
    const TemporaryDirectory temporary;
    ScriptedNic nic(temporary / "ctl", {holds(false, false), holds(false, false), ""});
    NicControl control(temporary / "ctl");
    LockStep lock_step({&control});
    CHECK_NOTHROW(lock_step.run([] { return std::optional(Sleep{true, 1}); }, {}));
}

TEST_CASE("answers about holds that are none are told with what was said") {
    CHECK_THROWS_WITH(parse_holds("gone"), ContainsSubstring("no JSON object: gone"));
    CHECK_THROWS_WITH(parse_holds(R"({"ok":false,"error":"no"})"),
                      ContainsSubstring("with a refusal"));
    CHECK_THROWS_WITH(parse_holds(R"({"ok":true,"result":{"queues":[{"queue":-1}]}})"),
                      ContainsSubstring("without its holds"));
    const auto found = parse_holds(holds(true, true));
    CHECK(found.frames);
    CHECK(found.transmit == std::vector<unsigned>{1});
    CHECK(parse_holds(holds(false, false)).transmit.empty());
}

TEST_CASE("a control socket that is not there is named") {
    const TemporaryDirectory temporary;
    CHECK_THROWS_WITH(
        NicControl(temporary / "ctl"),
        ContainsSubstring((temporary / "ctl").string()) && ContainsSubstring("No such file"));
}

TEST_CASE("a thread's sleep is read from its status") {
    const auto status = [](const char* state, const char* times) {
        return std::string("Name:\tALL CPUs/TCG\nState:\t") + state +
               "\nvoluntary_ctxt_switches:\t" + times + "\nnonvoluntary_ctxt_switches:\t7\n";
    };
    CHECK(parse_sleep(status("S (sleeping)", "31")) == Sleep{true, 31});
    CHECK(parse_sleep(status("R (running)", "31")) == Sleep{false, 31});
    CHECK_FALSE(parse_sleep(status("S (sleeping)", "many")));
    CHECK_FALSE(parse_sleep("Name:\tx\n"));
    CHECK_FALSE(parse_sleep(""));
}

}  // namespace
}  // namespace skbtrail::labs
