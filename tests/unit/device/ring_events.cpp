// Ring events: what they say, where they go, and what happens when nobody keeps up.

#include "device/net/ring_events.h"

#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <memory>
#include <sstream>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "device/control/event_socket.h"
#include "device/control/oversight.h"
#include "device/net/event_ring.h"
#include "tests/unit/device/event_lines.h"
#include "tests/unit/device/net_bench.h"
#include "tests/unit/device/no_descriptors.h"
#include "tests/unit/device/packed_bench.h"
#include "tests/unit/device/temporary_directory.h"

using namespace skbtrail::device;
using namespace skbtrail::device::test;
using namespace std::chrono_literals;

namespace {

/// A reader of an event socket.
class EventReader {
  public:
    explicit EventReader(const std::string& path)
        : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path.data(), path.size());
        REQUIRE(::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) ==
                0);
    }
    /// Whole lines, until there are `count` or the other side closes or is silent for too long.
    std::vector<nlohmann::json> read(std::size_t count, int longest_ms = 10000) {
        std::vector<nlohmann::json> lines;
        while (lines.size() < count) {
            if (const auto end = text_.find('\n', parsed_); end != std::string::npos) {
                lines.push_back(nlohmann::json::parse(text_.substr(parsed_, end - parsed_)));
                parsed_ = end + 1;
                continue;
            }
            text_.erase(0, parsed_);
            parsed_ = 0;
            pollfd ready{socket_.get(), POLLIN, 0};
            std::array<char, 65536> piece{};
            if (::poll(&ready, 1, longest_ms) <= 0) {
                break;
            }
            const auto got = ::recv(socket_.get(), piece.data(), piece.size(), 0);
            if (got <= 0) {
                break;
            }
            text_.append(piece.data(), static_cast<std::size_t>(got));
        }
        return lines;
    }

  private:
    UniqueFd socket_;
    std::string text_;
    std::size_t parsed_ = 0;
};

/// A sink that takes nothing until it is allowed to.
class StuckSink final : public EventSink {
  public:
    explicit StuckSink(std::atomic<bool>& open) : open_(open) {}
    std::uint64_t write(std::string_view lines, std::uint64_t, std::uint64_t, int) override {
        while (!open_.load()) {
            std::this_thread::sleep_for(1ms);
        }
        text += lines;
        return 0;
    }
    bool wanted() const override { return true; }
    void wait_for(std::vector<pollfd>&) const override {}
    void ready(std::span<const pollfd>) override {}
    const std::string& name() const override { return name_; }

    std::string text;

  private:
    std::atomic<bool>& open_;
    std::string name_ = "stuck";
};

}  // namespace

TEST_CASE("events: what happened at the rings, line by line", "[device][events]") {
    const TemporaryDirectory directory;
    const std::string path = directory / "events.jsonl";
    RingEventLog log(std::make_unique<FileEventSink>(path));
    NetBench bench(bench_features, false, &log);
    const auto sent = bench.send(pattern(60));
    const auto buffer = bench.receive.chain().writable(100).offer();
    bench.receive.chain().writable(100).offer();
    REQUIRE(bench.wire.deliver(pattern(150)));
    bench.settle();
    bench.transmit.set_used_event(100);
    bench.send(pattern(60));
    REQUIRE(log.sync(10000));

    const auto lines = read_lines(path);
    std::vector<std::string> story;
    std::uint64_t sequence = 0;
    std::int64_t time = 0;
    for (const auto& line : lines) {
        CHECK(line.at("sequence") == ++sequence);
        CHECK(line.at("time").get<std::int64_t>() >= time);
        time = line.at("time");
        story.push_back(std::to_string(line.at("queue").get<int>()) + " " +
                        line.at("event").get<std::string>());
    }
    CHECK(story == std::vector<std::string>{"1 kick", "1 available", "1 used", "1 call",
                                            "0 available", "0 used", "0 available", "0 used",
                                            "0 call", "1 kick", "1 available", "1 used",
                                            "1 call_suppressed"});
    CHECK(log.events() == sequence);
    CHECK(log.lost() == 0);

    const auto& available = lines[1];
    CHECK(available.at("index") == 0);
    CHECK(available.at("head") == sent.head);
    CHECK(available.at("length") == 72);
    REQUIRE(available.at("descriptors").size() == 2);
    CHECK(available["descriptors"][1].at("address") ==
          fmt::format("{:#x}", sent.pieces[1].address.value));
    CHECK(available["descriptors"][1].at("length") == 60);
    CHECK(available["descriptors"][1].at("device_writable") == false);
    CHECK(available["descriptors"][0].at("next") == true);
    CHECK_FALSE(available["descriptors"][1].contains("next"));
    CHECK_FALSE(available.contains("indirect_table"));

    CHECK(lines[2].at("length") == 72);  // read from the chain
    CHECK(lines[3].at("reason") == "the first since the ring was started");
    CHECK(lines[4].at("head") == buffer.head);
    CHECK(lines[4]["descriptors"][0].at("device_writable") == true);
    CHECK(lines[5].at("length") == 100);  // written to the chain
    CHECK(lines[7].at("length") == 62);
    CHECK(lines[8].at("index") == 2);
    CHECK(lines[12].at("reason") == "used index 1 -> 2 does not pass used_event 100");
}

TEST_CASE("events: the reasons without EVENT_IDX, and without a call descriptor",
          "[device][events]") {
    const TemporaryDirectory directory;
    RingEventLog log(std::make_unique<FileEventSink>(directory / "events.jsonl"));
    NetBench bench(bench_features & ~feature_event_idx, false, &log);
    bench.send(pattern(60));
    bench.transmit.set_available_flags(available_no_interrupt);
    bench.send(pattern(60));
    bench.transmit.set_available_flags(0);
    must(bench.device->set_ring_call(1, UniqueFd()));
    bench.send(pattern(60));
    REQUIRE(log.sync(10000));
    std::vector<std::string> reasons;
    for (const auto& line : read_lines(directory / "events.jsonl")) {
        if (line.contains("reason")) {
            reasons.push_back(line.at("event").get<std::string>() + ": " +
                              line.at("reason").get<std::string>());
        }
    }
    CHECK(reasons == std::vector<std::string>{
                         "call: VIRTQ_AVAIL_F_NO_INTERRUPT is not set",
                         "call_suppressed: VIRTQ_AVAIL_F_NO_INTERRUPT is set",
                         "call_suppressed: the driver has given no call descriptor: it polls",
                     });
}

TEST_CASE("events: the reasons on a packed ring", "[device][events][packed]") {
    const TemporaryDirectory directory;
    RingEventLog log(std::make_unique<FileEventSink>(directory / "events.jsonl"));
    const bool by_event = GENERATE(true, false);
    PackedBench bench(by_event ? packed_features : packed_features & ~feature_event_idx, false,
                      &log);
    const auto send = [&bench] {
        bench.transmit.chain().readable(NetHeaderBytes{}).readable(pattern(60)).offer();
        bench.transmit_fds.kick.signal();
        bench.settle();
        bench.transmit.take_used();
    };
    const auto wants = [&bench](std::uint16_t flags, PackedPlace place = {}) {
        bench.transmit.set_driver_event(flags, place.encode());
    };
    std::vector<std::string> expected;
    if (by_event) {
        wants(event_descriptor);
        send();
        wants(event_descriptor, {3, true});
        send();
        wants(event_descriptor, {12, true});
        send();
        wants(event_descriptor, {99, true});
        send();
        expected = {
            "call: the first since the ring was started",
            "call: used place 2 (wrap counter 1) -> 4 (wrap counter 1) passes the driver's event "
            "at 3 (wrap counter 1)",
            "call_suppressed: used place 4 (wrap counter 1) -> 6 (wrap counter 1) does not pass "
            "the driver's event at 12 (wrap counter 1)",
            "call: the driver's event is at 99 (wrap counter 1), which the ring has not",
        };
    } else {
        wants(event_enable);
        send();
        wants(event_disable);
        send();
        expected = {"call: RING_EVENT_FLAGS_DISABLE is not set",
                    "call_suppressed: RING_EVENT_FLAGS_DISABLE is set"};
    }
    REQUIRE(log.sync(10000));
    std::vector<std::string> reasons;
    for (const auto& line : read_lines(directory / "events.jsonl")) {
        if (line.contains("reason")) {
            reasons.push_back(line.at("event").get<std::string>() + ": " +
                              line.at("reason").get<std::string>());
        }
    }
    CHECK(reasons == expected);
}

TEST_CASE("events: a file that cannot be written", "[device][events]") {
    CHECK_THROWS_AS(FileEventSink("/nowhere/at/all"), std::system_error);
    RingEventLog full(std::make_unique<FileEventSink>("/dev/full"));
    NetBench bench(bench_features, false, &full);
    bench.send(pattern(60));
    REQUIRE(full.sync(10000));
    CHECK(full.lost() == full.events());
    CHECK(full.events() > 0);
    bench.send(pattern(60));
    CHECK(bench.wire.sent.size() == 2);  // the NIC goes on
}

TEST_CASE("event ring: bounded, in order, around its end", "[device][events]") {
    CHECK(EventRing::slots_for(0) == 1);
    CHECK(EventRing::slots_for(2) == 1);
    CHECK(EventRing::slots_for(3) == 2);
    CHECK(EventRing::slots_for(6) == 2);
    CHECK(EventRing::slots_for(7) == 3);
    CHECK(EventRing::slots_for(1024) == 257);

    EventRing ring(8);
    std::uint64_t written = 0;
    std::uint64_t read = 0;
    for (int round = 0; round < 20; ++round) {
        while (ring.has_room(3)) {
            ring.fresh(0).first.event.sequence = ++written;
            ring.fresh(2).more[3].address = written;
            ring.commit(3);
        }
        CHECK(ring.filled() == 6);
        CHECK_FALSE(ring.has_room(3));
        CHECK(ring.has_room(2));
        while (ring.filled() > 0) {
            CHECK(ring.oldest(0).first.event.sequence == ++read);
            CHECK(ring.oldest(2).more[3].address == read);
            ring.release(3);
        }
    }
    CHECK(read == 40);
}

TEST_CASE("events: a chain of many descriptors has them all", "[device][events]") {
    const TemporaryDirectory directory;
    RingEventLog log(std::make_unique<FileEventSink>(directory / "e"));
    NetBench bench(bench_features, false, &log);
    auto builder = bench.transmit.chain();
    builder.readable(std::vector<std::byte>(12));
    for (int i = 0; i < 10; ++i) {
        builder.readable(pattern(20));
    }
    const auto offered = builder.offer();
    bench.kick(1);
    REQUIRE(log.sync(10000));
    const auto line = read_lines(directory / "e").at(1);
    REQUIRE(line.at("descriptors").size() == offered.pieces.size());
    for (std::size_t i = 0; i < offered.pieces.size(); ++i) {
        CHECK(line["descriptors"][i].at("address") ==
              fmt::format("{:#x}", offered.pieces[i].address.value));
        CHECK(line["descriptors"][i].at("length") == offered.pieces[i].length);
    }
}

TEST_CASE("events: who does not keep up loses, counted, and holds nobody up", "[device][events]") {
    const bool recovers = GENERATE(false, true);
    std::atomic<bool> open = false;
    auto sink = std::make_unique<StuckSink>(open);
    StuckSink& stuck = *sink;
    auto log = std::make_unique<RingEventLog>(std::move(sink), 64);
    const auto before = std::chrono::steady_clock::now();
    for (int i = 0; i < 10000; ++i) {
        log->kick(1);
    }
    CHECK(std::chrono::steady_clock::now() - before < 5s);
    CHECK(log->events() == 10000);
    CHECK(log->lost() >= 10000 - 2 * 64);
    CHECK(log->lost() < 10000);
    open = true;
    if (recovers) {
        REQUIRE(log->sync(10000));
        const auto lost = log->lost();
        log->kick(1);
        REQUIRE(log->sync(10000));
        CHECK(log->lost() == lost);
        CHECK(stuck.text.find("\"sequence\":10001,") != std::string::npos);
    }
}

TEST_CASE("events: a ring that is full loses whole stretches", "[device][events]") {
    std::atomic<bool> open = false;
    auto sink = std::make_unique<StuckSink>(open);
    StuckSink& stuck = *sink;
    constexpr std::uint64_t slots = 4096;
    RingEventLog log(std::move(sink), slots);
    for (std::uint64_t i = 0; i < 2 * slots; ++i) {
        log.kick(1);
    }
    CHECK(log.lost() > 0);
    open = true;
    // The writer makes room while events come.
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    for (const auto lost = log.lost(); log.lost() < lost + 100 * slots;) {
        log.kick(1);
        if (std::chrono::steady_clock::now() > deadline) {
            break;  // it keeps up
        }
    }
    REQUIRE(log.sync(10000));
    const auto lost_until_now = log.lost();
    log.kick(1);
    REQUIRE(log.sync(10000));
    CHECK(log.lost() == lost_until_now);
    std::uint64_t last = 0;
    std::uint64_t missing = 0;
    std::istringstream lines(stuck.text);
    for (std::string line; std::getline(lines, line);) {
        const auto sequence = nlohmann::json::parse(line).at("sequence").get<std::uint64_t>();
        if (const auto gap = sequence - last - 1; gap > 0) {
            missing += gap;
            // The last one ended when there was time to look.
            CHECK((gap > slots / 32 || sequence == log.events()));
        }
        last = sequence;
    }
    CHECK(last == log.events());
    CHECK(missing == log.lost());
}

TEST_CASE("events: the last line of a file says what is missing", "[device][events]") {
    const TemporaryDirectory directory;
    const std::string path = directory / "fifo";
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    const UniqueFd reader(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    constexpr std::uint64_t events =
        20000;  // more than the ring holds, which is more than the pipe does
    std::uint64_t lost = 0;
    {
        RingEventLog log(std::make_unique<FileEventSink>(path), 4096);
        for (std::uint64_t i = 0; i < events; ++i) {
            log.kick(1);
        }
        lost = log.lost();
        CHECK(lost > 0);
        // Somebody reads again, and the log can end properly.
        std::string text;
        std::array<char, 65536> piece{};
        while (!log.sync(1)) {
            if (const auto got = ::read(reader.get(), piece.data(), piece.size()); got > 0) {
                text.append(piece.data(), static_cast<std::size_t>(got));
            }
        }
        while (::read(reader.get(), piece.data(), piece.size()) > 0) {
        }
    }
    std::array<char, 4096> rest{};
    const auto got = ::read(reader.get(), rest.data(), rest.size());
    REQUIRE(got > 0);
    const auto last =
        nlohmann::json::parse(std::string(rest.data(), static_cast<std::size_t>(got)));
    CHECK(last.at("event") == "lost");
    CHECK(last.at("length") == lost);
    CHECK(last.at("sequence") == events);
}

TEST_CASE("events: nobody reads a pipe, and the NIC ends all the same", "[device][events]") {
    const TemporaryDirectory directory;
    const std::string path = directory / "fifo";
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    const UniqueFd reader(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    const auto before = std::chrono::steady_clock::now();
    {
        RingEventLog log(std::make_unique<FileEventSink>(path), 4096);
        for (int i = 0; i < 20000; ++i) {
            log.kick(1);
        }
    }
    CHECK(std::chrono::steady_clock::now() - before < 8s);
}

TEST_CASE("event socket: private, for several readers, from when they come", "[device][events]") {
    const TemporaryDirectory directory;
    const std::string path = directory / "events";
    auto log = std::make_unique<RingEventLog>(make_event_sink("unix:" + path));
    struct stat status{};
    REQUIRE(::lstat(path.c_str(), &status) == 0);
    CHECK(S_ISSOCK(status.st_mode));
    CHECK((status.st_mode & 0777) == 0600);

    for (int i = 0; i < 10; ++i) {
        log->kick(1);  // nobody wants it
    }
    CHECK(log->lost() == 0);
    EventReader first(path);
    EventReader second(path);
    std::vector<nlohmann::json> seen;
    // Whether it has been accepted yet is the other thread's affair.
    for (int i = 0; i < 5000; ++i) {
        log->kick(1);
        REQUIRE(log->sync(10000));
        std::this_thread::sleep_for(1ms);
        if (i >= 20) {
            break;
        }
    }
    log->used(1, 7, 3, 100);
    REQUIRE(log->sync(10000));
    for (EventReader* const reader : {&first, &second}) {
        std::uint64_t before = 0;
        for (;;) {
            const auto line = reader->read(1);
            REQUIRE(line.size() == 1);
            CHECK(line[0].at("sequence").get<std::uint64_t>() > 10);
            CHECK((before == 0 || line[0].at("sequence") == before + 1));
            before = line[0].at("sequence");
            if (line[0].at("event") == "used") {
                break;
            }
        }
    }
    CHECK(log->lost() == 0);
    log.reset();
    CHECK(::lstat(path.c_str(), &status) != 0);
    CHECK(first.read(1).empty());  // closed
}

TEST_CASE("event socket: a reader that sleeps finds a line in place of what it missed",
          "[device][events]") {
    const TemporaryDirectory directory;
    const std::string path = directory / "events";
    RingEventLog log(std::make_unique<EventSocket>(path, std::size_t{128} << 10));
    EventReader reader(path);
    std::this_thread::sleep_for(50ms);
    std::uint64_t sent = 0;
    while (log.lost() == 0 && sent < 2'000'000) {
        log.kick(1);
        ++sent;
        if (sent % 4096 == 0) {
            REQUIRE(log.sync(10000));  // the ring is not what is too small here
        }
    }
    REQUIRE(log.lost() > 0);
    std::uint64_t gap = 0;
    std::uint64_t before = 0;
    // Reading makes room; the next events come with the account of those between.
    for (int silences = 0; silences < 100 && gap == 0;) {
        const auto lines = reader.read(1, 50);
        if (lines.empty()) {
            ++silences;
            log.kick(1);
            log.flush();
        }
        for (const auto& line : lines) {
            if (line.at("event") == "lost") {
                gap = line.at("length");
                CHECK(line.at("sequence").get<std::uint64_t>() == before + gap);
            } else {
                before = line.at("sequence");
            }
        }
    }
    CHECK(gap > 0);
    CHECK(gap == log.lost());
}

TEST_CASE("event socket: a reader for whom there was no descriptor is let in later",
          "[device][events]") {
    const TemporaryDirectory directory;
    const std::string path = directory / "events";
    RingEventLog log(make_event_sink("unix:" + path));
    std::unique_ptr<EventReader> reader;
    {
        const NoDescriptors none;
        reader = std::make_unique<EventReader>(path);
        std::this_thread::sleep_for(200ms);
        log.kick(1);
        CHECK(reader->read(1, 50).empty());
    }
    std::vector<nlohmann::json> seen;
    for (int i = 0; i < 500 && seen.empty(); ++i) {
        log.kick(1);
        log.flush();
        seen = reader->read(1, 20);
    }
    CHECK(seen.size() == 1);
}

TEST_CASE("events: a call that is made twice is two events", "[device][events]") {
    const TemporaryDirectory directory;
    const std::string path = directory / "events.jsonl";
    RingEventLog log(std::make_unique<FileEventSink>(path));
    NetBench bench(bench_features & ~feature_event_idx, false, &log);
    FaultSet faults(1);
    must(faults.add(must(parse_fault("double_call,count=1"))));
    const Oversight oversight(bench.loop, *bench.device, faults);
    bench.send(pattern(60));
    bench.send(pattern(60));
    CHECK(bench.transmit_fds.call.take() == 3);
    CHECK(bench.counters(1).calls == 3);
    CHECK(bench.counters(1).calls_late == 1);
    REQUIRE(log.sync(10000));
    std::vector<std::string> reasons;
    for (const auto& line : read_lines(path)) {
        if (line.at("event") == "call") {
            reasons.push_back(line.at("reason"));
        }
    }
    CHECK(reasons == std::vector<std::string>{"VIRTQ_AVAIL_F_NO_INTERRUPT is not set",
                                              "put off before, or once too often, by a fault",
                                              "VIRTQ_AVAIL_F_NO_INTERRUPT is not set"});
}
