// What a reader sees. The longer texts are files in data/: read one when a test fails, and change
// it only when the new text is better.
#include "labs/show/show.h"

#include <functional>
#include <sstream>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "labs/check/check.h"
#include "labs/check/expectation_json.h"
#include "labs/check/source/places.h"
#include "labs/show/paint.h"
#include "labs/show/sightings.h"
#include "tests/places.h"
#include "tests/unit/recording_builder.h"
#include "tests/unit/show/ping.h"
#include "tracer/chain/json_reader.h"

using namespace skbtrail;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::Equals;
using test::call;

namespace {

std::string golden(const std::string& name) {
    return chain::read_file(tests::in_source("tests/unit/show/data/" + name));
}

std::string shown(const std::function<void(std::ostream&)>& show) {
    std::ostringstream out;
    show(out);
    return out.str();
}

std::string chain_text(const chain::Recording& recording, std::size_t index,
                       const labs::ShowOptions& options = {}) {
    return shown([&](std::ostream& out) {
        labs::show_chain(out, recording, recording.chains.at(index), options);
    });
}

std::string verdict_text(const labs::Verdict& verdict, const labs::ShowOptions& options = {}) {
    return shown([&](std::ostream& out) { labs::show_verdict(out, verdict, options); });
}

std::string losses_text(const std::vector<chain::Loss>& losses) {
    return shown([&](std::ostream& out) { labs::show_losses(out, losses, {}); });
}

labs::Verdict ping_verdict() {
    return labs::check(test::ping_recording(), labs::parse_expectation(R"(
      {"format":"skbtrail-expectation","version":1,"title":"A ping","chains":[
        {"name":"the request leaves","root":"__x64_sys_sendto",
         "packet":{"icmp.type":"echo-request"}},
        {"name":"the reply is received","root":"__napi_poll","packet":{"icmp.type":"echo-reply"},
         "calls":[{"call":"virtnet_poll","calls":[
            {"call":"receive_buf","calls":["page_to_skb","skb_record_rx_queue","..."]},"..."]}]},
        {"name":"nothing else comes","root":"__napi_poll",
         "packet":{"icmp.type":"destination-unreachable"},"count":{"min":0,"max":0}},
        {"name":"the old path","root":"__napi_poll","when":{"kernel":"<6.0"}},
        {"name":"another packet","root":"__napi_poll","packet":{"icmp.typ":"echo-reply"}}]})"));
}

/// Two frames come in one after the other, the second while the driver polls; one goes out.
chain::Recording ring_recording() {
    chain::Recording recording;
    const auto add = [&](unsigned queue, const std::string& event, std::string reason = {}) {
        chain::RingEvent& next = recording.ring_events.emplace_back();
        next.sequence = recording.ring_events.size();
        next.time = 5'000'000'000 + static_cast<chain::Nanoseconds>(next.sequence) * 250'000;
        next.queue = queue;
        next.event = event;
        next.reason = std::move(reason);
        return recording.ring_events.size() - 1;
    };
    const auto carry = [&](unsigned queue, const std::string& event, unsigned index,
                           chain::PacketId packet) {
        chain::RingEvent& next = recording.ring_events[add(queue, event)];
        next.index = index;
        next.head = index + 4;
        next.length = event == "used" ? 72 : 1536;
        next.packet = packet;
    };
    add(1, "kick_suppressed", "available index 1 -> 2 does not pass avail_event 0");
    carry(1, "available", 1, 1);
    carry(1, "used", 1, 1);
    add(1, "call", "used index 1 -> 2 passes used_event 1");
    carry(0, "available", 14, 2);
    carry(0, "used", 14, 2);
    add(0, "call", "used index 14 -> 15 passes used_event 14");
    carry(0, "available", 15, 3);
    carry(0, "used", 15, 3);
    add(0, "call_suppressed", "used index 15 -> 16 does not pass used_event 14");
    add(0, "kick");
    return recording;
}

std::string ring_text(const chain::Recording& recording, const labs::ShowOptions& options) {
    return shown([&](std::ostream& out) { labs::show_ring(out, recording, options); });
}

chain::SkbGeometry at(std::int64_t data, std::int64_t tail, std::uint32_t data_len = 0) {
    chain::SkbGeometry skb;
    skb.head = 0x1000;
    skb.data = data;
    skb.tail = tail;
    skb.end = 448;
    skb.data_len = data_len;
    skb.len = static_cast<std::uint32_t>(tail - data) + data_len;
    return skb;
}

}  // namespace

TEST_CASE("a transmit chain is a tree with sk_buffs and descriptors") {
    CHECK_THAT(chain_text(test::ping_recording(), 0), Equals(golden("transmit.txt")));
}

TEST_CASE("a receive chain says where it was cut out, and shows what moved") {
    CHECK_THAT(chain_text(test::ping_recording(), 1), Equals(golden("receive.txt")));
}

TEST_CASE("nothing is folded on request") {
    labs::ShowOptions options;
    options.fold = false;
    const std::string text = chain_text(test::ping_recording(), 1, options);
    CHECK_THAT(text, ContainsSubstring("__wake_up"));
    CHECK_THAT(text, !ContainsSubstring("×2") && !ContainsSubstring("folded"));
}

TEST_CASE("geometry is left out on request, the packets stay") {
    labs::ShowOptions options;
    options.geometry = false;
    const std::string text = chain_text(test::ping_recording(), 1, options);
    CHECK_THAT(text, ContainsSubstring("#2") && !ContainsSubstring("tail"));
}

TEST_CASE("one packet's branches are shown on request") {
    const auto recording =
        test::RecordingBuilder()
            .packet(1)
            .packet(2)
            .chain(call("root", {call("a", {call("b").skb(1)}), call("c", {call("d").skb(2)})}))
            .build();
    labs::ShowOptions options;
    options.packet = 2;
    const std::string text = chain_text(recording, 0, options);
    CHECK_THAT(text, ContainsSubstring("a (+1)") && ContainsSubstring("└ d\n") &&
                         !ContainsSubstring(" b\n") && !ContainsSubstring("packet #1"));
}

TEST_CASE("each call has its place in the source on request") {
    const auto& tables = labs::source::named_call_tables();
    const labs::source::SourceTree tree(tests::in_source("tests/unit/check/data/tree"),
                                        tables.scope);
    const labs::source::Places places(tree, tables);
    const auto recording =
        test::RecordingBuilder()
            .packet(1)
            .chain(call("tunnel_open", {call("take").skb(1), call("elsewhere").skb(1)}))
            .build();
    labs::ShowOptions options;
    CHECK_THAT(chain_text(recording, 0, options), !ContainsSubstring(".c:"));
    options.places = &places;
    const std::string text = chain_text(recording, 0, options);
    CHECK_THAT(text, ContainsSubstring("tunnel_open  net/ipv4/tunnel.c:6\n"));
    // There are two: this one is the caller's neighbour.
    CHECK_THAT(text, ContainsSubstring("├ take  net/ipv4/tunnel.c:1\n"));
    CHECK_THAT(text, ContainsSubstring("└ elsewhere\n"));
}

TEST_CASE("a call names the inlined functions between its caller and it, and that it is a jump") {
    auto recording = test::RecordingBuilder()
                         .packet(1)
                         .chain(call("root", {call("a").in_module("m").skb(1), call("b").skb(1)}))
                         .build();
    auto& calls = recording.chains[0].root.calls;
    calls[0].inlined = {"outer", "inner"};
    calls[1].tail_call = true;
    const std::string text = chain_text(recording, 0);
    CHECK_THAT(text, ContainsSubstring("├ a [m]  through inlined outer, inner\n"));
    CHECK_THAT(text, ContainsSubstring("└ b (tail call)\n"));
}

TEST_CASE("a call that may lack something says so") {
    const auto recording = test::RecordingBuilder()
                               .chain(call("root", {call("a").incomplete("ring buffer overrun")}))
                               .build();
    CHECK_THAT(chain_text(recording, 0),
               ContainsSubstring("! calls below may be missing: ring buffer overrun"));
}

TEST_CASE("a poll's calls say of which NAPI, with which budget, and what was received") {
    auto recording =
        test::RecordingBuilder()
            .chain(call("__napi_poll", {call("virtnet_poll", {call("napi_complete_done"),
                                                              call("napi_complete_done")})}))
            .build();
    chain::Call& root = recording.chains[0].root;
    root.napi = 8193;
    root.calls[0].budget = 64;
    root.calls[0].calls[0].work = 12;
    root.calls[0].calls[1].work = 0;
    const std::string text = chain_text(recording, 0);
    CHECK_THAT(text, ContainsSubstring("__napi_poll  napi 8193\n"));
    CHECK_THAT(text, ContainsSubstring("virtnet_poll  budget 64\n"));
    // Not alike, so not one line.
    CHECK_THAT(text, ContainsSubstring("napi_complete_done  work 12\n"));
    CHECK_THAT(text, ContainsSubstring("napi_complete_done  work 0\n"));
}

TEST_CASE("a chain without anything can be shown") {
    chain::Recording recording;
    recording.chains.emplace_back();
    CHECK_THAT(chain_text(recording, 0), ContainsSubstring("chain 0"));
}

TEST_CASE("what moved is said in the words of the functions that move it") {
    CHECK(labs::movement(at(64, 162), at(78, 162)) == "pulled 14");
    CHECK(labs::movement(at(18, 116), at(6, 116)) == "pushed 12");
    CHECK(labs::movement(at(64, 64), at(64, 162)) == "put 98");
    CHECK(labs::movement(at(0, 0), at(64, 64)) == "reserved 64");
    CHECK(labs::movement(at(64, 162), at(64, 150)) == "trimmed 12");
    CHECK(labs::movement(at(64, 64), at(50, 162)) == "pushed 14, put 98");
    CHECK(labs::movement(at(64, 64), at(64, 64, 1448)) == "1448 more in pages");
    CHECK(labs::movement(at(64, 162), at(64, 162)).empty());
    auto moved = at(64, 162);
    moved.head = 0x2000;
    CHECK(labs::movement(at(64, 162), moved) == "new head");
}

TEST_CASE("movement is since the last sighting in time, whichever chain that was in") {
    const auto recording = test::RecordingBuilder()
                               .packet(1)
                               .chain(call("root", {call("a").skb(1, 32, 84)}))
                               .chain(call("root", {call("b").skb(1, 18, 98)}))
                               .build();
    CHECK_THAT(chain_text(recording, 0), ContainsSubstring("first seen"));
    CHECK_THAT(chain_text(recording, 1), ContainsSubstring("pushed 14"));
}

TEST_CASE("a verdict shows the steps that led there, what was expected and what came") {
    CHECK_THAT(verdict_text(ping_verdict()), Equals(golden("verdict.txt")));
}

TEST_CASE("sentences are wrapped to the width that there is") {
    labs::ShowOptions options;
    options.width = 60;
    const std::string text = verdict_text(ping_verdict(), options);
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        INFO(line);
        CHECK(labs::columns(line) <= 60);
    }
}

TEST_CASE("colours come on request only") {
    labs::ShowOptions options;
    const auto all = [&] {
        const auto recording = test::ping_recording();
        return chain_text(recording, 0, options) + verdict_text(ping_verdict(), options) +
               shown([&](std::ostream& out) {
                   labs::show_packets(out, recording, options);
                   labs::show_chain_list(out, recording, options);
                   labs::show_observed(out, recording, options);
               });
    };
    const std::string plain = all();
    CHECK_THAT(plain, !ContainsSubstring("\x1b["));
    options.colour = true;
    std::string coloured = all();
    CHECK_THAT(coloured, ContainsSubstring("\x1b["));
    // The same text, with colours: nothing is aligned by what an escape takes.
    std::string stripped;
    for (std::size_t i = 0; i < coloured.size(); ++i) {
        if (coloured[i] == '\x1b') {
            i = coloured.find('m', i);
        } else {
            stripped += coloured[i];
        }
    }
    CHECK(stripped == plain);
}

TEST_CASE("losses are always stated") {
    CHECK(losses_text({{"a", 0U, 0, ""}, {"b", {}, 0, ""}}) == "nothing lost: 2 counters at 0\n");
    CHECK(losses_text({{"a", 1U, 3, "what"}, {"b", {}, 0, ""}}) ==
          "lost: 3 a on cpu1 (what)\nthe other 1 loss counter is at 0\n");
    CHECK_THAT(losses_text({}), ContainsSubstring("is not known"));
}

TEST_CASE("packets, chains and circumstances have their lines") {
    const auto recording = test::ping_recording();
    const std::string text = shown([&](std::ostream& out) {
        labs::show_observed(out, recording, {});
        labs::show_packets(out, recording, {});
        labs::show_chain_list(out, recording, {});
    });
    CHECK_THAT(text, Equals(golden("overview.txt")));
}

TEST_CASE("durations have the unit that suits them") {
    CHECK(labs::duration_text(0) == "0 ns");
    CHECK(labs::duration_text(999) == "999 ns");
    CHECK(labs::duration_text(1'500) == "1.5 µs");
    CHECK(labs::duration_text(12'340'000) == "12.34 ms");
    CHECK(labs::duration_text(2'500'000'000) == "2.50 s");
}

TEST_CASE("a list is broken between its items") {
    using Lines = std::vector<std::string>;
    CHECK(labs::listed({"a 1", "bb 2", "ccc 3"}, 9) == Lines{"a 1,", "bb 2,", "ccc 3"});
    CHECK(labs::listed({"a 1", "bb 2", "ccc 3"}, 10) == Lines{"a 1, bb 2,", "ccc 3"});
    CHECK(labs::listed({"longer than that", "b"}, 4) == Lines{"longer than that,", "b"});
    CHECK(labs::listed({}, 4).empty());
}

TEST_CASE("text is wrapped at words") {
    CHECK(labs::wrapped("a bb ccc", 4) == std::vector<std::string>{"a bb", "ccc"});
    CHECK(labs::wrapped("longerthanthat x", 4) == std::vector<std::string>{"longerthanthat", "x"});
    CHECK(labs::wrapped("", 4) == std::vector<std::string>{""});
    CHECK(labs::columns("→ µs") == 4);
}

TEST_CASE("the NIC's side is shown queue by queue, with what was suppressed and why") {
    CHECK_THAT(ring_text(ring_recording(), {}), Equals(golden("ring.txt")));
}

TEST_CASE("of one packet the NIC's side shows what carried it, and the notifications with it") {
    labs::ShowOptions options;
    options.packet = 3;
    CHECK_THAT(ring_text(ring_recording(), options), Equals(golden("ring_packet.txt")));
}

TEST_CASE("the rings of two NICs are told apart") {
    auto recording = ring_recording();
    for (chain::RingEvent event : ring_recording().ring_events) {
        event.nic = 1;
        event.time -= 1'000'000;  // it was the first to see anything
        if (event.queue == 1) recording.ring_events.push_back(event);
    }
    const auto text = ring_text(recording, {});
    CHECK_THAT(text, ContainsSubstring("NIC 0 queue 0 (receive): 2 available"));
    CHECK_THAT(text, ContainsSubstring("NIC 0 queue 1 (transmit): 1 available"));
    CHECK_THAT(text, ContainsSubstring("NIC 1 queue 1 (transmit): 1 available"));
    CHECK_THAT(text, !ContainsSubstring("NIC 1 queue 0"));
    CHECK_THAT(text, ContainsSubstring(" 0.000  kick_suppressed") &&
                         ContainsSubstring(" 1.000  kick_suppressed"));
}

TEST_CASE("ring events that the NIC could not write are told") {
    auto recording = ring_recording();
    chain::RingEvent lost;
    lost.event = "lost";
    lost.reason = "7 events up to here were not written: the reader is too slow";
    recording.ring_events.push_back(lost);
    CHECK(ring_text(recording, {}) == golden("ring.txt") + "lost: " + lost.reason + "\n");
    CHECK(ring_text({}, {}) == "no ring event was recorded\n");
}
