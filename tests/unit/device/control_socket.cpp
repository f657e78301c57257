// The control socket: what can be said, what is answered, what clients cannot break.

#include "device/control/control_socket.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "device/control/ctl.h"
#include "device/control/metrics.h"
#include "device/faults/faulty_wire.h"
#include "tests/unit/device/contains.h"
#include "tests/unit/device/log_file.h"
#include "tests/unit/device/net_bench.h"
#include "tests/unit/device/temporary_directory.h"

using namespace skbtrail::device;
using namespace skbtrail::device::test;

namespace {

/// A device on a bench, and what commands it.
struct Commanded {
    NetBench bench;
    FaultSet faults{1};
    Oversight oversight{bench.loop, *bench.device, faults};
    bool left = false;

    NicView view() {
        return {.oversight = oversight,
                .wire = bench.wire,
                .events = nullptr,
                .front_end = [] { return FrontEndView{true, 0x18, 0x8}; },
                .disconnect = [this] { return !std::exchange(left, true); }};
    }
    Json say(const std::string& line) {
        Commands commands(view());
        return Json::parse(commands.answer(line));
    }
    /// The result of a command that must succeed.
    Json ask(const std::string& line) {
        Json answer = say(line);
        INFO(answer.dump());
        REQUIRE(answer["ok"] == true);
        return answer["result"];
    }
    std::string refused(const std::string& line) {
        Json answer = say(line);
        INFO(answer.dump());
        REQUIRE(answer["ok"] == false);
        return answer["error"];
    }
};

class Client {
  public:
    Client(EventLoop& loop, const std::string& path)
        : loop_(loop), socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path.data(), path.size());
        REQUIRE(::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) ==
                0);
        settle();
    }
    void settle() {
        while (loop_.turn(std::chrono::milliseconds(0))) {
        }
    }
    /// As much of `text` as fits without the other side reading; the loop runs meanwhile.
    void say(const std::string& text) {
        std::size_t done = 0;
        while (done < text.size()) {
            const auto sent = ::send(socket_.get(), text.data() + done, text.size() - done,
                                     MSG_DONTWAIT | MSG_NOSIGNAL);
            if (sent > 0) {
                done += static_cast<std::size_t>(sent);
            } else if (errno == EPIPE || errno == ECONNRESET) {
                break;
            } else {
                hear();
            }
            loop_.turn(std::chrono::milliseconds(0));
        }
        settle();
    }
    /// The next line; empty when there is none.
    std::string line() {
        hear();
        const auto end = text_.find('\n');
        if (end == std::string::npos) {
            return "";
        }
        std::string result = text_.substr(0, end);
        text_.erase(0, end + 1);
        return result;
    }
    bool ended() {
        settle();
        char ignored = 0;
        return ::recv(socket_.get(), &ignored, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
    }
    void half_close() { ::shutdown(socket_.get(), SHUT_WR); }
    void leave() {
        socket_.reset();
        settle();
    }

  private:
    void hear() {
        for (;;) {
            settle();
            std::array<char, 65536> piece{};
            const auto got = ::recv(socket_.get(), piece.data(), piece.size(), MSG_DONTWAIT);
            if (got <= 0) {
                return;
            }
            text_.append(piece.data(), static_cast<std::size_t>(got));
        }
    }

    EventLoop& loop_;
    UniqueFd socket_;
    std::string text_;
};

}  // namespace

TEST_CASE("control: the state of everything", "[device][control]") {
    Commanded c;
    c.bench.send(pattern(60));
    const Json state = c.ask(R"({"command":"state"})");
    CHECK(state["front_end"] == true);
    CHECK(state["link_up"] == true);
    CHECK(contains(state["features"]["offered"]["names"].dump(), "mrg_rxbuf"));
    CHECK(contains(state["features"]["negotiated"]["names"].dump(), "event_idx"));
    CHECK(state["features"]["negotiated"]["bits"] == fmt::format("{:#x}", bench_features));
    CHECK(state["features"]["protocol_negotiated"]["bits"] == "0x8");
    REQUIRE(state["memory"].size() >= 1);
    CHECK(state["memory"][0]["guest_address"] == fmt::format("{:#x}", GuestRam::default_base));
    CHECK(state["wire"]["wire"] == "bench");
    REQUIRE(state["queues"].size() == 2);
    const Json& queue = state["queues"][1];
    CHECK(queue["role"] == "transmit");
    CHECK(queue["state"] == "running");
    CHECK(queue["enabled"] == true);
    CHECK(queue["size"] == NetBench::ring_size);
    CHECK(queue["base"] == 1);
    CHECK(queue["next_used"] == 1);
    CHECK(queue["counters"]["frames"] == 1);
    CHECK(queue["counters"]["bytes"] == 60);
    CHECK(queue["histograms"]["chain_descriptors"][1] == 1);
    CHECK(queue["histograms"]["batch_chains"][0] == 1);
    CHECK(queue["addresses"]["used"] ==
          fmt::format("{:#x}", c.bench.transmit.addresses().used.value));
    // A broken queue says by what.
    c.bench.transmit.set_available_index(9999);
    c.bench.kick(1);
    const Json broken = c.ask(R"({"command":"state"})")["queues"][1];
    CHECK(broken["state"] == "broken");
    CHECK(broken["broken_by"]["kind"] == "available_jump");
    // A person can read it.
    const std::string text = state_text(c.ask(R"({"command":"state"})"));
    for (const char* const part : {"front end connected", "mrg_rxbuf", "queue 1 (transmit): broken",
                                   "broken by available_jump", "16 entries",
                                   "descriptors in a chain: 2: 1", "wire: bench"}) {
        INFO(text);
        INFO(part);
        CHECK(contains(text, part));
    }
}

TEST_CASE("control: the state of what has no queue pair", "[device][control]") {
    Commanded c;
    Json state = c.ask(R"({"command":"state"})");
    CHECK(state["control_queue"]["queue"] == 2);
    CHECK(state["control_queue"]["role"] == "control");
    CHECK(state["control_queue"]["state"] == "stopped");
    CHECK(state["control_queue"]["commands"] == 0);
    CHECK(state["filtered"] == 0);
    CHECK_FALSE(state.contains("dirty_log"));

    FakeDriver control(c.bench.ram, 8);
    TestEvent kick;
    must(c.bench.device->set_ring_size(2, control.size()));
    must(c.bench.device->set_ring_addresses(2, control.addresses()));
    must(c.bench.device->set_ring_kick(2, kick.share()));
    must(c.bench.device->set_ring_enabled(2, true));
    const auto give = [&](const std::vector<std::byte>& command, std::uint32_t room) {
        auto chain = control.chain().readable(command);
        (room > 0 ? chain.writable(room) : chain).offer();
        kick.signal();
        c.bench.settle();
    };
    give(pattern(3), 1);  // no command that there is
    const LogFile file;
    c.bench.device->set_log(must(DirtyLog::map(file.fd(), 0, 4096)));
    state = c.ask(R"({"command":"state"})");
    CHECK(state["control_queue"]["state"] == "running");
    CHECK(state["control_queue"]["commands"] == 1);
    CHECK(state["control_queue"]["refused"] == 1);
    CHECK(state["dirty_log"] == Json{{"bytes", 4096}, {"pages_past_end", 0}, {"lost", false}});

    give(pattern(3), 0);  // and no room for an answer
    state = c.ask(R"({"command":"state"})");
    CHECK(state["control_queue"]["broken_by"]["kind"] == "chain_too_short");
    const std::string text = state_text(state);
    CHECK(contains(text, "queue 2 (control): broken"));
    CHECK(contains(text, "1 commands, 1 refused"));
    const std::string metrics = c.ask(R"({"command":"metrics"})");
    CHECK(contains(metrics, "skbtrail_queue_running{queue=\"2\",role=\"control\"} -1"));
    CHECK(contains(metrics, "skbtrail_control_commands_refused_total 1"));
}

TEST_CASE("control: pause, step, resume", "[device][control]") {
    Commanded c;
    c.ask(R"({"command":"pause","queue":1})");
    for (int i = 0; i < 4; ++i) {
        c.bench.send(pattern(60));
    }
    CHECK(c.bench.wire.sent.empty());
    CHECK(c.ask(R"({"command":"step","queue":1})")["queues"][1]["paused"] == true);
    CHECK(c.bench.wire.sent.size() == 1);
    c.ask(R"({"command":"step","queue":1,"count":2})");
    CHECK(c.bench.wire.sent.size() == 3);
    c.ask(R"({"command":"resume"})");
    CHECK(c.bench.wire.sent.size() == 4);
    c.ask(R"({"command":"step","queue":1,"to":"notification"})");
    CHECK(contains(c.refused(R"({"command":"step","to":"notification","count":1})"), "count"));
    CHECK(contains(c.refused(R"({"command":"step","count":0})"), "whole number from 1"));
    CHECK(contains(c.refused(R"({"command":"pause","queue":2})"), "0 to 1"));
    CHECK(contains(c.refused(R"({"command":"pause","queue":-1})"), "no queue -1"));
    CHECK(contains(c.refused(R"({"command":"pause","queue":"1"})"), "no queue"));
}

TEST_CASE("control: frames held and released", "[device][control]") {
    Commanded c;
    CHECK(contains(c.refused(R"({"command":"release"})"), "nothing is held"));
    for (int i = 0; i < 4; ++i) {
        c.bench.receive.chain().writable(200).offer();
    }
    c.ask(R"({"command":"hold"})");
    CHECK_FALSE(c.bench.wire.deliver(pattern(60)));
    CHECK(c.ask(R"({"command":"release","count":1})")["frames_released"] == 1);
    CHECK(c.bench.wire.deliver(pattern(60)));
    CHECK_FALSE(c.bench.wire.deliver(pattern(60)));
    CHECK(c.ask(R"({"command":"release"})")["frames_held"] == false);
    CHECK(c.bench.wire.deliver(pattern(60)));
}

TEST_CASE("control: breakpoints and faults come and go", "[device][control]") {
    Commanded c;
    CHECK(c.ask(R"({"command":"break-add","when":["queue=1","length=60"]})")["number"] == 1);
    c.bench.send(pattern(60));
    CHECK(c.bench.wire.sent.empty());
    CHECK(c.ask(R"({"command":"break-list"})")[0]["hits"] == 1);
    CHECK(contains(c.refused(R"({"command":"break-remove","number":9})"), "no breakpoint 9"));
    CHECK(c.ask(R"({"command":"break-remove"})").empty());
    c.ask(R"({"command":"resume","queue":1})");
    CHECK(c.bench.wire.sent.size() == 1);
    CHECK(contains(c.refused(R"({"command":"break-add","when":"queue=1"})"), "a list"));
    CHECK(contains(c.refused(R"({"command":"break-add","when":[1]})"), "a list"));
    CHECK(contains(c.refused(R"({"command":"break-add","when":["evnet=kick"]})"), "\"event\""));

    CHECK(c.ask(R"({"command":"fault-add","fault":"never_used"})")["number"] == 1);
    c.bench.transmit.take_used();
    c.bench.send(pattern(60));
    CHECK_FALSE(c.bench.transmit.take_used());
    CHECK(c.ask(R"({"command":"fault-list"})")[0]["struck"] == 1);
    CHECK(c.ask(R"({"command":"fault-remove","number":1})").empty());
    CHECK(contains(c.refused(R"({"command":"fault-remove","number":1})"), "no fault 1"));
    CHECK(contains(c.refused(R"({"command":"fault-add","fault":"dorp"})"), "\"drop\""));
    CHECK(contains(c.refused(R"({"command":"fault-add","fault":"lost_call,queue=7"})"),
                   "no queue 7"));
    CHECK(contains(c.refused(R"({"command":"fault-add"})"), "it needs \"fault\""));
}

TEST_CASE("control: a broken queue, and an announcement, reach the driver", "[device][control]") {
    NetBench bench(bench_features | feature_guest_announce);
    int told = 0;
    bench.device->on_config_change([&told] {
        ++told;
        return true;
    });
    CHECK(must(bench.device->ask_to_announce()));
    CHECK(told == 1);
    constexpr std::uint8_t driver_ok = 4;
    const bool ready = GENERATE(true, false);
    bench.device->set_status(ready ? driver_ok : 0);
    if (!ready) {
        bench.start(0, bench.receive);
        bench.start(1, bench.transmit);
    }
    bench.transmit.set_available_index(9999);
    bench.kick(1);
    REQUIRE(bench.state(1) == Virtqueue::State::broken);
    // That it needs a reset, once (virtio 1.3, 2.1.2); a driver that is not ready, will see.
    CHECK(told == (ready ? 2 : 1));
    bench.settle();
    CHECK(told == (ready ? 2 : 1));
}

TEST_CASE("control: the link, the front end, the counters", "[device][control]") {
    Commanded c;
    CHECK(c.ask(R"({"command":"link","state":"down"})")["link_up"] == false);
    c.bench.send(pattern(60));
    CHECK(c.bench.wire.sent.empty());
    CHECK(c.bench.transmit.take_used());
    CHECK(c.bench.wire.deliver(pattern(60)));
    CHECK(c.bench.counters(0).dropped_link_down == 1);
    CHECK(c.bench.counters(1).dropped_link_down == 1);
    std::array<std::byte, 2> status{};
    must(c.bench.device->read_config(6, status));
    CHECK(status[0] == std::byte{0});
    bool told = false;
    c.bench.device->on_config_change([&] { return told = true; });
    CHECK(c.ask(R"({"command":"link","state":"up"})")["driver_told"] == true);
    CHECK(told);
    c.bench.send(pattern(60));
    CHECK(c.bench.wire.sent.size() == 1);
    CHECK(contains(c.refused(R"({"command":"link","state":"sideways"})"), "\"up\" or \"down\""));
    CHECK(c.ask(R"({"command":"disconnect"})")["was_connected"] == true);
    CHECK(c.left);
    c.ask(R"({"command":"reset-counters"})");
    CHECK(c.bench.counters(1).frames == 0);
}

TEST_CASE("control: metrics that Prometheus can read", "[device][control]") {
    Commanded c;
    c.bench.send(pattern(60));
    must(c.faults.add(must(parse_fault("drop,p=0.5"))));
    const std::string text = c.ask(R"({"command":"metrics"})");
    CHECK(contains(text, "# TYPE skbtrail_queue_frames_total counter\n"));
    CHECK(contains(text, "skbtrail_queue_frames_total{queue=\"1\",role=\"transmit\"} 1\n"));
    CHECK(contains(
        text, "skbtrail_queue_chain_descriptors_bucket{queue=\"1\",role=\"transmit\",le=\"2\"} 1"));
    CHECK(contains(
        text,
        "skbtrail_queue_chain_descriptors_bucket{queue=\"1\",role=\"transmit\",le=\"+Inf\"} 1"));
    CHECK(contains(text, "skbtrail_queue_chain_descriptors_sum{queue=\"1\",role=\"transmit\"} 2"));
    CHECK(contains(text, "skbtrail_fault_struck_total{fault=\"drop,p=0.5\",number=\"1\"} 0\n"));
    // Each line is a comment, or a name, labels and a number; each family has one head.
    std::vector<std::string> families;
    std::size_t begin = 0;
    while (begin < text.size()) {
        const std::size_t end = text.find('\n', begin);
        REQUIRE(end != std::string::npos);
        const std::string line = text.substr(begin, end - begin);
        begin = end + 1;
        if (line.starts_with("# TYPE ")) {
            families.push_back(line.substr(7, line.find(' ', 7) - 7));
        } else if (!line.starts_with("#")) {
            INFO(line);
            CHECK(line.starts_with(families.back()));
            CHECK(line.find_last_not_of("0123456789-") == line.rfind(' '));
        }
    }
    auto unique = families;
    std::sort(unique.begin(), unique.end());
    CHECK(std::adjacent_find(unique.begin(), unique.end()) == unique.end());
}

TEST_CASE("control: whatever is said is answered", "[device][control][hostile]") {
    Commanded c;
    CHECK(contains(c.refused("nonsense"), "no JSON"));
    CHECK(contains(c.refused("{"), "no JSON"));
    CHECK(contains(c.refused("[]"), "an object"));
    CHECK(contains(c.refused("null"), "an object"));
    CHECK(contains(c.refused("{}"), "\"command\""));
    CHECK(contains(c.refused(R"({"command":5})"), "\"command\""));
    CHECK(contains(c.refused(R"({"command":"puase"})"), "did you mean \"pause\"?"));
    CHECK(contains(c.refused(R"({"command":"pause","queeu":1})"), "did you mean \"queue\"?"));
    CHECK(contains(c.refused(R"({"command":"state","queue":1})"), "takes nothing"));
    CHECK(contains(c.refused("{\"command\":\"\xff\xfe\"}"), "no JSON"));
    CHECK(contains(c.refused("{\"command\":\"a\\u0000b\"}"), "no command"));
    CHECK(contains(c.refused(std::string(60000, '[')), "too deep"));
    CHECK(contains(c.refused(R"({"id":)" + std::string(30000, '[') + std::string(30000, ']') + "}"),
                   "too deep"));
    // Brackets in a text are none.
    CHECK(contains(c.refused(R"({"command":"[[[[[[[[[[[[\"[[["})"), "no command"));
    // What was asked is told apart by its id, which comes back.
    CHECK(c.say(R"({"command":"hold","id":7})")["id"] == 7);
    CHECK(c.say(R"({"command":"nothing","id":"x"})")["id"] == "x");
    CHECK_FALSE(c.say(R"({"command":"hold"})").contains("id"));
    CHECK(c.ask(R"({"command":"help"})").size() == command_names().size());
}

TEST_CASE("control socket: private, for several, and told of stops", "[device][control]") {
    const TemporaryDirectory directory;
    const std::string path = directory / "control";
    Commanded c;
    auto control = std::make_unique<ControlSocket>(c.bench.loop, path, c.view());
    struct stat status{};
    REQUIRE(::lstat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
    Client one(c.bench.loop, path);
    Client two(c.bench.loop, path);
    one.say("{\"command\":\"break-add\",\"when\":[\"queue=1\"],\"id\":1}\r\n\n");
    CHECK(contains(one.line(), R"("id":1)"));
    CHECK(one.line().empty());
    c.bench.send(pattern(60));
    for (Client* const client : {&one, &two}) {
        const Json told = Json::parse(client->line());
        CHECK(told["event"] == "stopped");
        CHECK(told["queue"] == 1);
        CHECK(told["breakpoint"] == 1);
        CHECK(told["head"] == 0);
        CHECK(told["length"] == 60);
    }
    // Several at once, and in pieces.
    two.say("{\"command\":\"break-list\"}\n{\"comm");
    CHECK(contains(two.line(), "hits"));
    two.say("and\":\"resume\"}\n");
    CHECK(contains(two.line(), "paused"));
    CHECK(c.bench.wire.sent.size() == 1);
    // One leaves; the other stays.
    one.leave();
    two.say("{\"command\":\"help\"}\n");
    CHECK(contains(two.line(), "state"));
    // Said and left: what was said is done, and answered.
    two.say("{\"command\":\"break-remove\"}\n{\"command\":\"help\"}\n");
    two.half_close();
    CHECK(contains(two.line(), "ok"));
    CHECK(contains(two.line(), "ok"));
    CHECK(two.ended());
    CHECK(c.oversight.debugger().breakpoints().empty());
    control.reset();
    CHECK(::lstat(path.c_str(), &status) != 0);
    c.bench.send(pattern(60));  // nobody to tell
}

TEST_CASE("control socket: bounded against whoever connects", "[device][control][hostile]") {
    const TemporaryDirectory directory;
    const std::string path = directory / "control";
    Commanded c;
    const ControlSocket control(c.bench.loop, path, c.view());
    SECTION("a line without an end") {
        Client client(c.bench.loop, path);
        client.say(std::string(LineServer::longest_line + 100000, 'x'));
        CHECK(contains(client.line(), "at most 65536"));
        CHECK(client.ended());
    }
    SECTION("one that never reads") {
        Client deaf(c.bench.loop, path);
        const std::string request = "{\"command\":\"help\"}\n";
        std::string many;
        for (int i = 0; i < 3000; ++i) {
            many += request;
        }
        deaf.say(many);  // reads only when the NIC has stopped listening
        int answers = 0;
        while (!deaf.line().empty()) {
            ++answers;
        }
        CHECK(answers == 3000);
    }
    SECTION("too many") {
        std::vector<std::unique_ptr<Client>> clients;
        for (std::size_t i = 0; i < LineServer::most_clients; ++i) {
            clients.push_back(std::make_unique<Client>(c.bench.loop, path));
        }
        Client surplus(c.bench.loop, path);
        CHECK(surplus.ended());
        clients.front()->leave();
        Client next(c.bench.loop, path);
        next.say("{\"command\":\"help\"}\n");
        CHECK(contains(next.line(), "ok"));
    }
    SECTION("gone before the answer") {
        Client client(c.bench.loop, path);
        client.say("{\"command\":\"state\"}\n");
        client.leave();
        c.bench.settle();
    }
    Client good(c.bench.loop, path);
    good.say("{\"command\":\"hold\"}\n");
    CHECK(contains(good.line(), "\"ok\":true"));
}

TEST_CASE("ctl: words of a command line as requests", "[device][control]") {
    const auto request = [](std::vector<std::string> words) {
        return must(make_request(words)).dump();
    };
    CHECK(request({"state"}) == R"({"command":"state"})");
    CHECK(request({"pause"}) == R"({"command":"pause"})");
    CHECK(request({"pause", "1"}) == R"({"command":"pause","queue":1})");
    CHECK(request({"step", "1", "3"}) == R"({"command":"step","queue":1,"count":3})");
    CHECK(request({"step", "count=3"}) == R"({"command":"step","count":3})");
    CHECK(request({"step", "1", "notification"}) ==
          R"({"command":"step","queue":1,"to":"notification"})");
    CHECK(request({"break", "add", "queue=1", "length>=100"}) ==
          R"({"command":"break-add","when":["queue=1","length>=100"]})");
    CHECK(request({"break-remove", "2"}) == R"({"command":"break-remove","number":2})");
    CHECK(request({"fault", "add", "drop,p=0.1"}) ==
          R"({"command":"fault-add","fault":"drop,p=0.1"})");
    CHECK(request({"link", "down"}) == R"({"command":"link","state":"down"})");
    CHECK(request({"reset", "counters"}) == R"({"command":"reset-counters"})");
    const auto refused = [](std::vector<std::string> words) {
        const auto made = make_request(words);
        REQUIRE_FALSE(made);
        return made.error().message;
    };
    CHECK(contains(refused({"stat"}), "did you mean \"state\"?"));
    CHECK(contains(refused({"break", "ad"}), "did you mean \"break-add\"?"));
    CHECK(contains(refused({"pause", "1", "2"}), "one word too many"));
    CHECK(contains(refused({}), "no command"));
}
