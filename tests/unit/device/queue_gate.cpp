// What a gate can do to a queue: hold it, stop it before a chain, keep chains back, meddle with
// calls.

#include "device/net/queue_gate.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "tests/unit/device/net_bench.h"

using namespace skbtrail::device;
using namespace skbtrail::device::test;

namespace {

/// Says what a test tells it to, and remembers what it was asked.
class ScriptedGate final : public QueueGate {
  public:
    std::size_t allowed = std::numeric_limits<std::size_t>::max();
    std::optional<std::uint16_t> stop_before;  ///< available index
    std::function<Completion(const Chain&)> completion;
    std::vector<std::size_t> release;  ///< handed out once that many are kept
    CallVerdict verdict = CallVerdict::now;
    std::vector<std::string> asked;
    std::vector<std::size_t> frames;

    std::size_t may_take(unsigned, std::size_t wanted) override {
        const std::size_t now = std::min(allowed, wanted);
        return now;
    }
    bool may_pass(unsigned, const Chain& chain, std::span<const std::byte> frame) override {
        frames.push_back(frame.size());
        if (stop_before == chain.available_index()) {
            return false;
        }
        if (allowed != std::numeric_limits<std::size_t>::max()) {
            --allowed;
        }
        return true;
    }
    Completion on_complete(unsigned, const Chain& chain) override {
        return completion ? completion(chain) : Completion::now;
    }
    void releases(unsigned, std::size_t kept, std::vector<std::size_t>& now) override {
        if (kept > 0 && kept == release.size()) {
            now = release;
        }
    }
    CallVerdict on_call(unsigned queue, bool wanted) override {
        asked.push_back(fmt::format("{} call {}", queue, wanted));
        return verdict;
    }
    void on_kick(unsigned queue) override { asked.push_back(fmt::format("{} kick", queue)); }
    void on_stopped(unsigned queue) override { asked.push_back(fmt::format("{} stopped", queue)); }
};

std::vector<std::uint32_t> heads_used(FakeDriver& driver) {
    std::vector<std::uint32_t> heads;
    while (const auto used = driver.take_used()) {
        heads.push_back(used->head);
    }
    return heads;
}

}  // namespace

TEST_CASE("gate: a held transmit queue does nothing until it is poked", "[device][gate]") {
    NetBench bench;
    ScriptedGate gate;
    gate.allowed = 0;
    bench.device->set_gate(&gate);
    for (int i = 0; i < 3; ++i) {
        bench.send(pattern(60));
    }
    CHECK(bench.wire.sent.empty());
    CHECK_FALSE(bench.transmit.take_used());
    // One chain, then held again.
    gate.allowed = 1;
    bench.device->queue(1).poke();
    CHECK(bench.wire.sent.size() == 1);
    CHECK(bench.transmit.take_used());
    CHECK_FALSE(bench.transmit.take_used());
    // All of them, without another kick, and kicks are asked for again.
    gate.allowed = std::numeric_limits<std::size_t>::max();
    bench.device->queue(1).poke();
    CHECK(bench.wire.sent.size() == 3);
    CHECK(bench.transmit.available_event() == 3);
    bench.device->set_gate(nullptr);
    bench.send(pattern(60));
    CHECK(bench.wire.sent.size() == 4);
}

TEST_CASE("gate: a held receive queue refuses, and the wire hears when it goes on",
          "[device][gate]") {
    NetBench bench;
    ScriptedGate gate;
    gate.allowed = 0;
    bench.device->set_gate(&gate);
    bench.receive.chain().writable(200).offer();
    bench.settle();
    const int told = bench.wire.receive_ready;
    CHECK_FALSE(bench.wire.deliver(pattern(60)));
    CHECK(bench.counters(0).refused == 1);
    bench.device->queue(0).poke();
    CHECK(bench.wire.receive_ready == told + 1);
    gate.allowed = 1;
    CHECK(bench.wire.deliver(pattern(60)));
    bench.settle();
    CHECK(bench.receive.take_used());
}

TEST_CASE("gate: a chain that may not pass is put back and has no effect", "[device][gate]") {
    const auto start = static_cast<std::uint16_t>(GENERATE(0, 1));
    NetBench bench;
    ScriptedGate gate;
    bench.device->set_gate(&gate);
    gate.stop_before = static_cast<std::uint16_t>(start + 1);
    if (start == 1) {
        bench.send(pattern(60));
    }
    const auto transmit = [&] {
        bench.transmit.chain().readable(NetHeaderBytes{}).readable(pattern(60)).offer();
    };
    transmit();
    transmit();
    transmit();
    bench.kick(1);
    CHECK(bench.wire.sent.size() == start + 1U);
    CHECK(gate.frames.back() == 60);
    CHECK(bench.transmit.used_index() == start + 1);
    gate.stop_before.reset();
    bench.device->queue(1).poke();
    CHECK(bench.wire.sent.size() == start + 3U);

    gate.stop_before = 0;
    bench.receive.chain().writable(40).offer();
    bench.receive.chain().writable(100).offer();
    CHECK_FALSE(bench.wire.deliver(pattern(60)));
    bench.settle();
    CHECK_FALSE(bench.receive.take_used());
    gate.stop_before.reset();
    bench.device->queue(0).poke();
    CHECK(bench.wire.deliver(pattern(60)));
    bench.settle();
    CHECK(heads_used(bench.receive).size() == 2);
}

TEST_CASE("gate: a frame that is dropped is counted once, however often it is held",
          "[device][gate]") {
    NetBench bench;
    ScriptedGate gate;
    gate.stop_before = 0;
    bench.device->set_gate(&gate);
    bench.send(pattern(5));  // a runt
    CHECK(gate.frames == std::vector<std::size_t>{0});
    CHECK(bench.counters(1).dropped_size == 0);
    bench.device->queue(1).poke();
    gate.stop_before.reset();
    bench.device->queue(1).poke();
    CHECK(bench.counters(1).dropped_size == 1);
    CHECK(bench.transmit.take_used());
}

TEST_CASE("gate: chains returned in another order, or never", "[device][gate]") {
    NetBench bench;
    ScriptedGate gate;
    bench.device->set_gate(&gate);
    std::vector<std::uint32_t> offered;
    const auto send = [&] { offered.push_back(bench.send(pattern(60)).head); };
    SECTION("another order") {
        gate.completion = [](const Chain&) { return QueueGate::Completion::withhold; };
        gate.release = {2, 0, 1};
        send();
        send();
        CHECK(heads_used(bench.transmit).empty());
        CHECK(bench.wire.sent.size() == 2);
        send();
        CHECK(heads_used(bench.transmit) ==
              std::vector<std::uint32_t>{offered[2], offered[0], offered[1]});
    }
    SECTION("kept, and the queue stops: all come back, in order") {
        gate.completion = [](const Chain&) { return QueueGate::Completion::withhold; };
        send();
        send();
        CHECK(must(bench.device->stop_ring(1)) == 2);
        CHECK(heads_used(bench.transmit) == offered);
        CHECK(gate.asked.back() == "1 stopped");
    }
    SECTION("kept, and the gate goes") {
        gate.completion = [](const Chain&) { return QueueGate::Completion::withhold; };
        send();
        bench.device->set_gate(nullptr);
        CHECK(heads_used(bench.transmit) == offered);
    }
    SECTION("kept, and the memory is mapped anew") {
        gate.completion = [](const Chain&) { return QueueGate::Completion::withhold; };
        send();
        bench.device->set_memory(bench.ram.mapped());
        CHECK(heads_used(bench.transmit) == offered);
        gate.completion = nullptr;
        send();
        CHECK(heads_used(bench.transmit).size() == 1);
    }
    SECTION("never") {
        gate.completion = [](const Chain& chain) {
            return chain.available_index() == 1 ? QueueGate::Completion::never
                                                : QueueGate::Completion::now;
        };
        send();
        send();
        send();
        CHECK(heads_used(bench.transmit) == std::vector<std::uint32_t>{offered[0], offered[2]});
        CHECK(bench.wire.sent.size() == 3);
    }
}

TEST_CASE("gate: what becomes of a call", "[device][gate]") {
    NetBench bench(bench_features & ~feature_event_idx);
    ScriptedGate gate;
    bench.device->set_gate(&gate);
    const auto calls_of_one_frame = [&] {
        bench.transmit_fds.call.take();
        bench.send(pattern(60));
        return bench.transmit_fds.call.take();
    };
    CHECK(calls_of_one_frame() == 1);
    CHECK(gate.asked == std::vector<std::string>{"1 kick", "1 call true"});
    gate.verdict = QueueGate::CallVerdict::twice;
    CHECK(calls_of_one_frame() == 2);
    gate.verdict = QueueGate::CallVerdict::drop;
    CHECK(calls_of_one_frame() == 0);
    gate.verdict = QueueGate::CallVerdict::later;
    CHECK(calls_of_one_frame() == 0);
    CHECK(bench.counters(1).calls_withheld == 2);
    bench.device->queue(1).call_late();
    CHECK(bench.transmit_fds.call.take() == 1);
    CHECK(bench.counters(1).calls_late == 2);
    // The driver wants none: only what is owed is signalled.
    bench.transmit.set_available_flags(available_no_interrupt);
    gate.verdict = QueueGate::CallVerdict::twice;
    CHECK(calls_of_one_frame() == 0);
    gate.verdict = QueueGate::CallVerdict::owed;
    CHECK(calls_of_one_frame() == 1);
}

TEST_CASE("histogram: sizes by powers of two", "[device][gate]") {
    SizeHistogram histogram;
    for (const std::size_t size : {0, 1, 2, 3, 4, 5, 8, 9, 1024, 1025, 100000}) {
        histogram.add(size);
    }
    const std::array<std::uint64_t, SizeHistogram::buckets> expected{2, 1, 2, 2, 1, 0,
                                                                     0, 0, 0, 0, 1, 2};
    CHECK(histogram.counts() == expected);

    NetBench bench;
    bench.send(pattern(60));  // two descriptors, a batch of one
    CHECK(bench.device->queue(1).chain_sizes().counts()[1] == 1);
    CHECK(bench.device->queue(1).batch_sizes().counts()[0] == 1);
    bench.device->queue(1).reset_counters();
    CHECK(bench.device->queue(1).chain_sizes().counts()[1] == 0);
    CHECK(bench.counters(1).frames == 0);
}
