// Ring events: kicks that a driver is spared, and descriptors as the ring has them.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "device/net/ring_events.h"
#include "tests/unit/device/event_lines.h"
#include "tests/unit/device/net_bench.h"
#include "tests/unit/device/packed_bench.h"
#include "tests/unit/device/temporary_directory.h"

using namespace skbtrail::device;
using namespace skbtrail::device::test;

namespace {

/// The kicks of queue 1 and those that the driver could spare, with their reasons.
std::vector<std::string> kicks(const std::string& path) {
    std::vector<std::string> told;
    for (const auto& line : read_lines(path)) {
        if (line.at("queue") == 1 && line.at("event") == "kick") {
            told.emplace_back("kick");
        } else if (line.at("queue") == 1 && line.at("event") == "kick_suppressed") {
            told.push_back(line.at("reason"));
        }
    }
    return told;
}

/// Sends a frame with a kick, and two more without while the device works on it.
template <typename Bench, typename Send>
void send_three(Bench& bench, Send send) {
    bool once = true;
    bench.wire.on_transmit = [&](const Frame&) {
        if (std::exchange(once, false)) {
            send();
            send();
        }
    };
    send();
    bench.transmit_fds.kick.signal();
    bench.settle();
    bench.wire.on_transmit = nullptr;
}

}  // namespace

TEST_CASE("events: kicks that the driver is spared, with the arithmetic", "[device][events]") {
    const TemporaryDirectory directory;
    const std::string path = directory / "events.jsonl";
    RingEventLog log(std::make_unique<FileEventSink>(path));
    const bool by_event = GENERATE(true, false);
    NetBench bench(by_event ? bench_features : bench_features & ~feature_event_idx, false, &log);
    const auto send = [&bench] {
        bench.transmit.chain().readable(NetHeaderBytes{}).readable(pattern(60)).offer();
    };
    send_three(bench, send);
    CHECK(bench.wire.sent.size() == 3);
    bench.send(pattern(60));  // the device sleeps, and is woken
    REQUIRE(log.sync(10000));
    CHECK(kicks(path) == std::vector<std::string>{
                             "kick",
                             by_event
                                 ? "available index 1 -> 3 does not pass avail_event 0"
                                 : "available index 1 -> 3 while VIRTQ_USED_F_NO_NOTIFY is set",
                             "kick"});
    std::vector<std::string> story;
    for (const auto& line : read_lines(path)) {
        story.push_back(line.at("event"));
        if (line.at("event") == "kick_suppressed") {
            CHECK(line.at("index") == 3);
        }
    }
    // Before what came without a kick, behind what came with one.
    CHECK(std::vector(story.begin() + 1, story.begin() + 6) ==
          std::vector<std::string>{"available", "used", "call", "kick_suppressed", "available"});
}

TEST_CASE("events: kicks that the driver of a packed ring is spared", "[device][events][packed]") {
    const TemporaryDirectory directory;
    const std::string path = directory / "events.jsonl";
    RingEventLog log(std::make_unique<FileEventSink>(path));
    PackedBench bench(packed_features, false, &log);
    const auto send = [&bench] {
        bench.transmit.chain().readable(NetHeaderBytes{}).readable(pattern(60)).offer();
    };
    send_three(bench, send);
    CHECK(bench.wire.sent.size() == 3);
    send();
    bench.transmit_fds.kick.signal();
    bench.settle();
    REQUIRE(log.sync(10000));
    CHECK(kicks(path) ==
          std::vector<std::string>{"kick",
                                   "available place 2 (wrap counter 1) -> 6 (wrap counter 1) while "
                                   "RING_EVENT_FLAGS_DISABLE is set",
                                   "kick"});
}

TEST_CASE("events: buffers of an indirect table, and the table", "[device][events]") {
    const TemporaryDirectory directory;
    RingEventLog log(std::make_unique<FileEventSink>(directory / "e"));
    NetBench bench(bench_features, false, &log);
    // A header in the ring, a frame of two pieces in a table.
    const auto direct = bench.transmit.chain().readable(NetHeaderBytes{}).lay_out();
    const auto listed =
        bench.transmit.chain().readable(pattern(20)).readable(pattern(40)).indirect().lay_out();
    RingDescriptor first = bench.transmit.descriptor(direct.head);
    first.flags |= descriptor_next;
    first.next = listed.head;
    bench.transmit.set_descriptor(direct.head, first);
    bench.transmit.offer_head(direct.head);
    bench.kick(1);
    REQUIRE(log.sync(10000));
    const auto line = read_lines(directory / "e").at(1);
    REQUIRE(line.at("descriptors").size() == 3);
    CHECK(line.at("length") == 72);
    CHECK(line["descriptors"][0].at("next") == true);
    CHECK(line["descriptors"][1].at("next") == true);
    CHECK_FALSE(line["descriptors"][2].contains("next"));
    CHECK(line["descriptors"][2].at("address") ==
          fmt::format("{:#x}", listed.pieces[1].address.value));
    CHECK(line.at("indirect_table") ==
          nlohmann::json{
              {"address", fmt::format("{:#x}", bench.transmit.descriptor(listed.head).address)},
              {"length", 32},
              {"entries", 2}});
}
