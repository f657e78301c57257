// Faults: how they are written, that they repeat, and what each of them does.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "device/control/oversight.h"
#include "device/faults/dice.h"
#include "device/faults/fault.h"
#include "device/faults/fault_spec.h"
#include "device/faults/faulty_wire.h"
#include "device/wire/precise_timer.h"
#include "tests/unit/device/contains.h"
#include "tests/unit/device/net_bench.h"

using namespace skbtrail::device;
using namespace skbtrail::device::test;
using namespace std::chrono_literals;

namespace {

std::string refused_fault(const std::string& text) {
    const auto fault = parse_fault(text);
    REQUIRE_FALSE(fault);
    return fault.error().message;
}

std::vector<std::byte> numbered(unsigned number, std::size_t length = 60) {
    std::vector<std::byte> frame(length);
    frame[20] = static_cast<std::byte>(number);
    return frame;
}

unsigned number_of(std::span<const std::byte> frame) {
    return static_cast<unsigned>(frame[20]);
}

/// A faulty wire between a test that plays the device and one that plays the world.
struct FaultyBench {
    explicit FaultyBench(std::uint64_t seed = 1) : faults(seed) {
        auto inner = std::make_unique<BenchWire>();
        world = inner.get();
        wire = std::make_unique<FaultyWire>(std::move(inner), faults, loop);
        wire->attach([this](const Frame& frame) {
            if (room == 0) {
                return false;
            }
            --room;
            received.push_back({{frame.bytes.begin(), frame.bytes.end()}, frame.offload});
            return true;
        });
    }
    void add(const std::string& text) { must(faults.add(must(parse_fault(text)))); }
    void transmit(unsigned number, const FrameOffload& offload = {}) {
        const auto frame = numbered(number);
        wire->transmit(Frame{frame, offload});
    }
    std::vector<unsigned> sent() const {
        std::vector<unsigned> numbers;
        for (const auto& one : world->sent) {
            numbers.push_back(number_of(one.bytes));
        }
        return numbers;
    }
    std::vector<unsigned> got() const {
        std::vector<unsigned> numbers;
        for (const auto& one : received) {
            numbers.push_back(number_of(one.bytes));
        }
        return numbers;
    }
    template <typename Done>
    void wait_for(Done done) {
        for (int i = 0; i < 1000 && !done(); ++i) {
            loop.turn(10ms);
        }
    }

    EventLoop loop;
    FaultSet faults;
    BenchWire* world = nullptr;
    std::unique_ptr<FaultyWire> wire;
    std::vector<BenchWire::Sent> received;
    std::size_t room = 1000000;
};

/// A device with faults of queues.
struct FaultyDevice {
    explicit FaultyDevice(const std::string& fault,
                          Features features = bench_features & ~feature_event_idx)
        : bench(features) {
        must(faults.add(must(parse_fault(fault))));
        oversight.changed();
    }
    std::uint64_t calls() { return bench.transmit_fds.call.take(); }
    Fault& fault() { return *faults.all().front(); }
    template <typename Done>
    void wait_for(Done done) {
        for (int i = 0; i < 1000 && !done(); ++i) {
            bench.loop.turn(10ms);
        }
    }
    std::vector<std::uint32_t> used() {
        std::vector<std::uint32_t> heads;
        while (const auto used = bench.transmit.take_used()) {
            heads.push_back(used->head);
        }
        return heads;
    }

    NetBench bench;
    FaultSet faults{7};
    Oversight oversight{bench.loop, *bench.device, faults};
};

}  // namespace

TEST_CASE("dice: the same everywhere", "[device][faults]") {
    // Computed apart from this program: mt19937_64 seeded with splitmix64's finaliser.
    Dice dice(1, 1);
    Dice same(1, 1);
    Dice other(1, 2);
    std::vector<std::uint64_t> a;
    std::vector<std::uint64_t> b;
    std::vector<std::uint64_t> c;
    for (int i = 0; i < 8; ++i) {
        a.push_back(dice.below(1000));
        b.push_back(same.below(1000));
        c.push_back(other.below(1000));
    }
    CHECK(a == b);
    CHECK(a != c);
    CHECK(a == std::vector<std::uint64_t>{532, 892, 890, 555, 110, 230, 400, 691});

    Dice many(99, 3);
    int strikes = 0;
    for (int i = 0; i < 100000; ++i) {
        strikes += many.strikes(Dice::threshold(0.1)) ? 1 : 0;
    }
    CHECK(strikes > 9500);
    CHECK(strikes < 10500);
    CHECK(many.strikes(Dice::threshold(1)));
    CHECK_FALSE(many.strikes(Dice::threshold(0)));
}

TEST_CASE("fault: as users write them", "[device][faults]") {
    const auto plain = must(parse_fault("drop"));
    CHECK(plain.kind == FaultKind::drop);
    CHECK(plain.to_guest);
    CHECK(plain.from_guest);
    CHECK(plain.probability == 1);
    const auto full =
        must(parse_fault("delay,p=0.25,time=20ms,jitter=50us,direction=to_guest,skip=10,count=3"));
    CHECK(full.probability == 0.25);
    CHECK(full.time == 20ms);
    CHECK(full.jitter == 50us);
    CHECK_FALSE(full.from_guest);
    CHECK(full.skip == 10);
    CHECK(full.count == 3);
    CHECK(must(parse_fault("coalesce,chains=8,time=1s,queue=3")).number == 8);

    CHECK(contains(refused_fault("dorp"), "did you mean \"drop\"?"));
    CHECK(contains(refused_fault(""), "no fault"));
    CHECK(contains(refused_fault("drop,p=2"), "a probability from 0 to 1"));
    CHECK(contains(refused_fault("drop,p=nan"), "a probability from 0 to 1"));
    CHECK(contains(refused_fault("drop,p=0.5,every=3"), "not both"));
    CHECK(contains(refused_fault("drop,every=0"), "a number from 1"));
    CHECK(contains(refused_fault("drop,time=1ms"), "it has no \"time\""));
    CHECK(contains(refused_fault("drop,queue=1"), "it has no \"queue\""));
    CHECK(contains(refused_fault("drop,p=1,p=1"), "twice"));
    CHECK(contains(refused_fault("delay,time=5"), "50us, 20ms or 1s"));
    CHECK(contains(refused_fault("delay,time=9999s"), "50us, 20ms or 1s"));
    CHECK(contains(refused_fault("drop,direction=up"), "to_guest, from_guest or both"));
    CHECK(contains(refused_fault("reorder,by=65"), "not as large"));
    CHECK(contains(refused_fault("coalesce,p=0.5"), "it has no \"p\""));
    CHECK(contains(refused_fault("no_buffers,queue=1"), "transmits"));
    CHECK(contains(refused_fault("never_used,queue=0"), "receives"));
    for (const char* const name : {"drop", "corrupt", "late_call", "coalesce", "disconnect"}) {
        CHECK(contains(fault_help(), name));
    }
}

TEST_CASE("fault: when it strikes", "[device][faults]") {
    const auto strikes = [](const std::string& text, int opportunities) {
        Fault fault(must(parse_fault(text)), 1, 1);
        std::string result;
        for (int i = 0; i < opportunities; ++i) {
            result += fault.strikes() ? 'X' : '.';
        }
        return result;
    };
    CHECK(strikes("drop", 4) == "XXXX");
    CHECK(strikes("drop,every=3", 7) == "..X..X.");
    CHECK(strikes("drop,every=2,skip=3", 8) == "....X.X.");
    CHECK(strikes("drop,skip=2,count=2", 6) == "..XX..");
    CHECK(strikes("drop,p=0", 4) == "....");
    const std::string random = strikes("drop,p=0.5", 64);
    CHECK(random == strikes("drop,p=0.5", 64));
    CHECK(contains(random, "X"));
    CHECK(contains(random, "."));

    FaultSet set(1);
    for (std::size_t i = 0; i < FaultSet::most; ++i) {
        CHECK(must(set.add(must(parse_fault("drop")))) == i + 1);
    }
    CHECK_FALSE(set.add(must(parse_fault("drop"))));
    CHECK(set.remove(3));
    CHECK_FALSE(set.remove(3));
    CHECK(must(set.add(must(parse_fault("drop")))) == FaultSet::most + 1);
}

TEST_CASE("faulty wire: without faults it is not there", "[device][faults]") {
    FaultyBench bench;
    bench.transmit(1);
    CHECK(bench.sent() == std::vector<unsigned>{1});
    bench.room = 1;
    CHECK(bench.world->deliver(numbered(2)));
    CHECK_FALSE(bench.world->deliver(numbered(3)));  // the wire keeps it, as always
    CHECK(bench.got() == std::vector<unsigned>{2});
    bench.wire->on_receive_ready();
    CHECK(bench.world->receive_ready == 1);
    bench.wire->on_guest_left();
    CHECK(bench.world->guest_left == 1);
    CHECK(bench.wire->describe() == "bench");
}

TEST_CASE("faulty wire: drop and duplicate, by direction", "[device][faults]") {
    FaultyBench bench;
    bench.add("drop,every=2,direction=from_guest");
    bench.add("duplicate,every=2,direction=to_guest");
    for (unsigned i = 1; i <= 4; ++i) {
        bench.transmit(i);
        CHECK(bench.world->deliver(numbered(i)));
    }
    CHECK(bench.sent() == std::vector<unsigned>{1, 3});
    CHECK(bench.got() == std::vector<unsigned>{1, 2, 2, 3, 4, 4});
    CHECK(bench.faults.all()[0]->opportunities() == 4);
    CHECK(bench.faults.all()[0]->struck() == 2);
}

TEST_CASE("faulty wire: one byte is another, and only in that frame", "[device][faults]") {
    FaultyBench bench;
    bench.add("corrupt,every=2");
    for (unsigned i = 1; i <= 4; ++i) {
        bench.transmit(i);
    }
    for (unsigned i = 1; i <= 4; ++i) {
        const auto& sent = bench.world->sent[i - 1].bytes;
        const auto original = numbered(i);
        int differences = 0;
        for (std::size_t at = 0; at < original.size(); ++at) {
            differences += sent[at] != original[at] ? 1 : 0;
        }
        CHECK(differences == (i % 2 == 0 ? 1 : 0));
    }
}

TEST_CASE("faulty wire: what is said of the checksum", "[device][faults]") {
    FaultyBench bench;
    bench.add("checksum_flag");
    bench.transmit(1, {.needs_checksum = true, .checksum_start = 34, .checksum_offset = 6});
    bench.transmit(2);
    bench.transmit(3, {.data_valid = true});
    bench.transmit(4, {.needs_checksum = true, .gso_type = 1, .gso_size = 100});
    const auto& sent = bench.world->sent;
    REQUIRE(sent.size() == 4);
    CHECK_FALSE(sent[0].offload.needs_checksum);
    CHECK(sent[1].offload.data_valid);
    CHECK_FALSE(sent[2].offload.data_valid);
    CHECK(sent[3].offload.needs_checksum);
    CHECK(bench.faults.all()[0]->without_effect() == 1);
}

TEST_CASE("faulty wire: later frames go first", "[device][faults]") {
    FaultyBench bench;
    bench.add("reorder,by=2,count=1,time=10s");
    for (unsigned i = 1; i <= 4; ++i) {
        bench.transmit(i);
    }
    CHECK(bench.sent() == std::vector<unsigned>{2, 3, 1, 4});
}

TEST_CASE("faulty wire: a frame that nothing overtakes goes on all the same", "[device][faults]") {
    FaultyBench bench;
    bench.add("reorder,time=20ms");
    bench.transmit(1);
    CHECK(bench.sent().empty());
    CHECK(bench.wire->held() == 1);
    bench.wait_for([&] { return !bench.sent().empty(); });
    CHECK(bench.sent() == std::vector<unsigned>{1});
    CHECK(bench.wire->held() == 0);
}

TEST_CASE("faulty wire: delayed in both directions, in the order of their times",
          "[device][faults]") {
    FaultyBench bench;
    bench.add("delay,time=30ms,every=2");
    const auto before = std::chrono::steady_clock::now();
    for (unsigned i = 1; i <= 2; ++i) {
        bench.transmit(i);
    }
    for (unsigned i = 1; i <= 2; ++i) {
        CHECK(bench.world->deliver(numbered(i)));
    }
    CHECK(bench.sent() == std::vector<unsigned>{1});
    CHECK(bench.got() == std::vector<unsigned>{1});
    CHECK(bench.wire->counters().waiting == 2);  // one each way
    bench.wait_for([&] { return bench.sent().size() + bench.got().size() == 4; });
    CHECK(std::chrono::steady_clock::now() - before >= 30ms);
    CHECK(bench.sent() == std::vector<unsigned>{1, 2});
    CHECK(bench.got() == std::vector<unsigned>{1, 2});
}

TEST_CASE("faulty wire: bounded, and the excess is counted", "[device][faults]") {
    FaultyBench bench;
    bench.add("delay,time=100s");
    for (std::size_t i = 0; i < FaultyWire::most_held + 5; ++i) {
        bench.transmit(1);
    }
    CHECK(bench.sent().size() == 5);
    CHECK(bench.wire->held() == FaultyWire::most_held);
    CHECK(bench.faults.all()[0]->without_effect() == 5);
}

TEST_CASE("faulty wire: a guest without buffers meets no fault twice", "[device][faults]") {
    FaultyBench bench;
    bench.add("duplicate,every=2");
    bench.room = 0;
    CHECK(bench.world->deliver(numbered(1)));        // waits here
    CHECK_FALSE(bench.world->deliver(numbered(2)));  // waits in the wire
    CHECK_FALSE(bench.world->deliver(numbered(2)));
    CHECK(bench.faults.all()[0]->opportunities() == 1);
    bench.room = 10;
    bench.wire->on_receive_ready();
    CHECK(bench.world->receive_ready == 1);
    CHECK(bench.world->deliver(numbered(2)));
    CHECK(bench.got() == std::vector<unsigned>{1, 2, 2});
}

TEST_CASE("faulty wire: a guest that leaves gets nothing later", "[device][faults]") {
    FaultyBench bench;
    bench.add("delay,time=10ms");
    CHECK(bench.world->deliver(numbered(1)));
    bench.wire->on_guest_left();
    for (int i = 0; i < 5; ++i) {
        bench.loop.turn(10ms);
    }
    CHECK(bench.got().empty());
}

TEST_CASE("faulty wire: no frame vanishes without being counted", "[device][faults]") {
    FaultyBench bench;
    bench.add("drop,count=3,direction=to_guest");
    bench.add("drop,count=1,direction=from_guest");
    bench.add("delay,count=2,time=100s,direction=to_guest");
    bench.add("reorder,count=2,by=9,time=100s,direction=from_guest");
    for (unsigned i = 0; i < 4; ++i) {
        bench.transmit(i);
        bench.world->deliver(numbered(i));
    }
    for (unsigned i = 4; i < 9; ++i) {
        bench.world->deliver(numbered(i));
    }
    const auto counted = bench.wire->counters();
    CHECK(counted.to_guest.dropped == 3);
    CHECK(counted.from_guest.dropped == 1);
    CHECK(bench.wire->held() == 4);
    CHECK(counted.waiting == 4);
    CHECK(bench.got().size() + bench.sent().size() == 13 - 3 - 1 - 4);
    // With the faults goes nothing of what they did.
    bench.faults.clear();
    CHECK(bench.wire->counters().to_guest.dropped == 3);
    CHECK(bench.wire->counters().from_guest.dropped == 1);
    // Those that wait for a guest are nobody's when it leaves; what it sent is still under way.
    const std::size_t for_guest = 9 - 3 - bench.got().size();
    bench.wire->on_guest_left();
    CHECK(bench.wire->counters().to_guest.dropped == 3 + for_guest);
    CHECK(bench.wire->held() == 4 - for_guest);
    CHECK(bench.wire->counters().waiting == 4 - for_guest);
}

TEST_CASE("faulty wire: the same seed and the same frames, the same faults", "[device][faults]") {
    const auto run = [](std::uint64_t seed) {
        FaultyBench bench(seed);
        bench.add("drop,p=0.2");
        bench.add("duplicate,p=0.2,direction=from_guest");
        bench.add("corrupt,p=0.1");
        bench.add("reorder,p=0.1,by=3,time=100s");
        for (unsigned i = 0; i < 200; ++i) {
            bench.transmit(i);
            bench.world->deliver(numbered(i));
        }
        std::vector<std::vector<std::byte>> all;
        for (const auto& one : bench.world->sent) {
            all.push_back(one.bytes);
        }
        for (const auto& one : bench.received) {
            all.push_back(one.bytes);
        }
        return all;
    };
    CHECK(run(5) == run(5));
    CHECK(run(5) != run(6));
}

TEST_CASE("faulty wire: the card's faults happen outside of the frame's way", "[device][faults]") {
    FaultyBench bench;
    std::vector<std::string> happened;
    bench.wire->set_card_actions(
        {.set_link = [&](bool up) { happened.push_back(up ? "up" : "down"); },
         .disconnect = [&] { happened.push_back("left"); }});
    bench.add("link_flap,count=1,time=20ms");
    bench.add("disconnect,skip=1,count=1");
    bench.transmit(1);
    CHECK(happened.empty());
    bench.wait_for([&] { return happened.size() == 2; });
    CHECK(happened == std::vector<std::string>{"down", "up"});
    bench.transmit(2);
    bench.wait_for([&] { return happened.size() == 3; });
    CHECK(happened.back() == "left");
    CHECK(bench.sent() == std::vector<unsigned>{1, 2});
}

TEST_CASE("queue faults: interrupts that are lost, late, doubled", "[device][faults]") {
    SECTION("lost") {
        FaultyDevice d("lost_call,every=2");
        d.bench.send(pattern(60));
        CHECK(d.calls() == 1);
        d.bench.send(pattern(60));
        CHECK(d.calls() == 0);
        CHECK(d.fault().struck() == 1);
        CHECK(d.bench.counters(1).calls_withheld == 1);
    }
    SECTION("late, to less than a millisecond") {
        FaultyDevice d("late_call,time=200us");
        const auto before = std::chrono::steady_clock::now();
        d.bench.send(pattern(60));
        std::uint64_t called = d.calls();
        d.wait_for([&] {
            called += d.calls();
            return called > 0;
        });
        CHECK(called == 1);
        CHECK(std::chrono::steady_clock::now() - before >= 200us);
    }
    SECTION("doubled") {
        FaultyDevice d("double_call");
        d.bench.send(pattern(60));
        CHECK(d.calls() == 2);
    }
    SECTION("another queue's") {
        FaultyDevice d("lost_call,queue=0");
        d.bench.send(pattern(60));
        CHECK(d.calls() == 1);
    }
}

TEST_CASE("queue faults: a late interrupt of a queue that was stopped is none",
          "[device][faults]") {
    FaultyDevice d("late_call,time=20ms");
    d.bench.send(pattern(60));
    must(d.bench.device->stop_ring(1));
    for (int i = 0; i < 5; ++i) {
        d.bench.loop.turn(10ms);
    }
    CHECK(d.calls() == 0);
}

TEST_CASE("queue faults: interrupts coalesced by count and by time", "[device][faults]") {
    SECTION("count") {
        FaultyDevice d("coalesce,chains=3,time=100s");
        for (int i = 1; i <= 7; ++i) {
            d.bench.send(pattern(60));
            CHECK(d.calls() == (i % 3 == 0 ? 1 : 0));
        }
    }
    SECTION("count, with EVENT_IDX: the one that was put off is owed") {
        FaultyDevice d("coalesce,chains=3,time=100s", bench_features);
        std::vector<std::uint64_t> calls;
        for (int i = 1; i <= 3; ++i) {
            d.bench.send(pattern(60));
            calls.push_back(d.calls());
        }
        CHECK(calls == std::vector<std::uint64_t>{0, 0, 1});
    }
    SECTION("time") {
        FaultyDevice d("coalesce,chains=100,time=20ms");
        d.bench.send(pattern(60));
        d.bench.send(pattern(60));
        std::uint64_t called = d.calls();
        CHECK(called == 0);
        d.wait_for([&] {
            called += d.calls();
            return called > 0;
        });
        CHECK(called == 1);
    }
    SECTION("taken away: what is owed comes") {
        FaultyDevice d("coalesce,chains=100,time=100s");
        d.bench.send(pattern(60));
        CHECK(d.calls() == 0);
        d.faults.clear();
        d.oversight.changed();
        CHECK(d.calls() == 1);
    }
}

TEST_CASE("queue faults: receive buffers that are not seen", "[device][faults]") {
    FaultyDevice d("no_buffers,count=1,time=20ms");
    d.bench.receive.chain().writable(200).offer();
    d.bench.settle();
    const int told = d.bench.wire.receive_ready;
    CHECK_FALSE(d.bench.wire.deliver(pattern(60)));
    CHECK_FALSE(d.bench.wire.deliver(pattern(60)));
    d.wait_for([&] { return d.bench.wire.receive_ready > told; });
    CHECK(d.bench.wire.deliver(pattern(60)));
    CHECK(d.fault().struck() == 1);
}

TEST_CASE("queue faults: frames sent whose chains never come back", "[device][faults]") {
    FaultyDevice d("never_used,every=3");
    std::vector<std::uint32_t> offered;
    for (int i = 0; i < 6; ++i) {
        offered.push_back(d.bench.send(pattern(60)).head);
    }
    CHECK(d.bench.wire.sent.size() == 6);
    CHECK(d.used() == std::vector<std::uint32_t>{offered[0], offered[1], offered[3], offered[4]});
}

TEST_CASE("queue faults: chains returned in another order", "[device][faults]") {
    const auto run = [](const std::string& fault) {
        FaultyDevice d(fault);
        std::vector<std::uint32_t> offered;
        for (int i = 0; i < 8; ++i) {
            offered.push_back(d.bench.send(pattern(60)).head);
        }
        auto used = d.used();
        CHECK(used.size() == 8);
        const bool other = used != offered;
        auto sorted = used;
        std::sort(sorted.begin(), sorted.end());
        std::sort(offered.begin(), offered.end());
        CHECK(sorted == offered);
        return std::pair(used, other);
    };
    const auto [order, other] = run("unordered_used,window=8,time=100s");
    CHECK(other);
    CHECK(run("unordered_used,window=8,time=100s").first == order);
}

TEST_CASE("queue faults: what is kept goes back in time, or with the fault", "[device][faults]") {
    SECTION("time") {
        FaultyDevice d("unordered_used,window=8,time=20ms");
        d.bench.send(pattern(60));
        d.bench.send(pattern(60));
        CHECK(d.bench.transmit.used_index() == 0);
        d.wait_for([&] { return d.bench.transmit.used_index() == 2; });
        CHECK(d.bench.transmit.used_index() == 2);
    }
    SECTION("fault") {
        FaultyDevice d("unordered_used,window=8,time=100s");
        d.bench.send(pattern(60));
        d.faults.clear();
        d.oversight.changed();
        CHECK(d.bench.transmit.used_index() == 1);
    }
}

TEST_CASE("queue faults: a change of memory under a running ring ends none of them",
          "[device][faults]") {
    SECTION("buffers that are not seen are seen again in time") {
        FaultyDevice d("no_buffers,count=1,time=20ms");
        d.bench.receive.chain().writable(200).offer();
        d.bench.settle();
        CHECK_FALSE(d.bench.wire.deliver(pattern(60)));
        const int told = d.bench.wire.receive_ready;
        d.bench.device->set_memory(d.bench.ram.mapped());
        CHECK_FALSE(d.bench.wire.deliver(pattern(60)));
        d.wait_for([&] { return d.bench.wire.receive_ready > told; });
        CHECK(d.bench.wire.receive_ready == told + 1);
        CHECK(d.bench.wire.deliver(pattern(60)));
        CHECK(d.fault().struck() == 1);
    }
    SECTION("a call that was put off comes") {
        const std::string fault =
            GENERATE("coalesce,chains=100,time=20ms", "late_call,count=1,time=20ms");
        FaultyDevice d(fault);
        d.bench.send(pattern(60));
        CHECK(d.calls() == 0);
        d.bench.device->set_memory(d.bench.ram.mapped());
        std::uint64_t called = 0;
        d.wait_for([&] {
            called += d.calls();
            return called > 0;
        });
        CHECK(called == 1);
    }
    SECTION("chains that were kept come back once, and those after them are kept") {
        FaultyDevice d("unordered_used,window=8,time=30ms");
        d.bench.send(pattern(60));
        d.bench.device->set_memory(d.bench.ram.mapped());
        CHECK(d.bench.transmit.used_index() == 1);
        d.bench.send(pattern(60));
        CHECK(d.bench.transmit.used_index() == 1);
        d.wait_for([&] { return d.bench.transmit.used_index() == 2; });
        CHECK(d.bench.transmit.used_index() == 2);
    }
}

TEST_CASE("queue faults: receive buffers returned in another order", "[device][faults]") {
    FaultyDevice d("unordered_used,queue=0,window=8,time=100s");
    std::vector<std::uint32_t> offered;
    for (int i = 0; i < 8; ++i) {
        offered.push_back(d.bench.receive.chain().writable(200).offer().head);
    }
    d.bench.settle();
    for (unsigned i = 0; i < 8; ++i) {
        CHECK(d.bench.receive.used_index() == 0);
        CHECK(d.bench.wire.deliver(numbered(i)));
        d.bench.settle();
    }
    std::vector<std::uint32_t> used;
    while (const auto one = d.bench.receive.take_used()) {
        CHECK(one->length == max_net_header_bytes + 60);
        used.push_back(one->head);
    }
    CHECK(used != offered);
    std::sort(used.begin(), used.end());
    std::sort(offered.begin(), offered.end());
    CHECK(used == offered);
    CHECK(d.fault().struck() == 8);
    CHECK(d.bench.counters(0).frames == 8);
}

TEST_CASE("precise timer: fires once, can be moved and taken back", "[device][faults]") {
    EventLoop loop;
    int fired = 0;
    PreciseTimer timer(loop, [&] { ++fired; });
    const auto now = EventLoop::Clock::now;
    timer.arm(now() + 100s);
    timer.arm(now() + 200us);
    for (int i = 0; i < 100 && fired == 0; ++i) {
        loop.turn(10ms);
    }
    CHECK(fired == 1);
    timer.arm(now() - 1s);
    for (int i = 0; i < 100 && fired == 1; ++i) {
        loop.turn(10ms);
    }
    CHECK(fired == 2);
    timer.arm(now() + 5ms);
    timer.disarm();
    std::this_thread::sleep_for(10ms);
    loop.turn(0ms);
    CHECK(fired == 2);
}
