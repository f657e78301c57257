// Everything that a driver can write into a packed ring to hurt the device, each with what becomes
// of it: that ring is broken for a typed reason, and nothing else happens.

#include <array>
#include <atomic>
#include <functional>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include "device/virtqueue/ring.h"
#include "tests/unit/device/fake_packed_driver.h"

using namespace skbtrail::device;
using namespace skbtrail::device::test;

namespace {

constexpr std::uint32_t ring_size = 7;

struct HostilePacked {
    // Never touched, so never there.
    static constexpr std::uint64_t large_region = 0x300000;
    static constexpr std::uint32_t large_size = 0x8000000;

    GuestRam ram{{{0x100000, 0x100000}, {0x200000, 0x10000}, {large_region, large_size}}};
    FakePackedDriver driver{ram, ring_size};
    RingFeatures features{.indirect = true, .event_idx = true, .packed = true};

    Ring open() {
        return must(Ring::open(ram.mapped(), driver.addresses(), ring_size, features,
                               PackedRing::initial_base));
    }
    std::uint64_t some_buffer() { return ram.allocate(64).value; }
    /// As the driver's descriptor `index` of the first lap.
    void set(std::uint16_t index, std::uint64_t address, std::uint32_t length,
             std::uint16_t flags) {
        driver.set_descriptor(
            index, {address, length, index, FakePackedDriver::available_flags(true, flags)});
    }
    void offer(std::uint64_t address, std::uint32_t length, std::uint16_t flags) {
        set(0, address, length, flags);
    }
    void offer_table(const std::vector<PackedDescriptor>& entries, std::uint16_t flags = 0) {
        const GuestAddress address = ram.allocate(16 * entries.size() + 16);
        ram.put(address, std::as_bytes(std::span(entries)));
        offer(address.value, static_cast<std::uint32_t>(16 * entries.size()),
              static_cast<std::uint16_t>(flags | descriptor_indirect));
    }
};

struct PackedCase {
    std::string name;
    RingFaultKind expected;
    std::function<void(HostilePacked&)> act;
};

const std::vector<PackedCase>& packed_cases() {
    using Kind = RingFaultKind;
    constexpr std::uint16_t next = descriptor_next;
    constexpr std::uint16_t write = descriptor_write;
    constexpr std::uint16_t indirect = descriptor_indirect;
    static const std::vector<PackedCase> all = {
        {"a chain as long as the ring that goes on", Kind::loop,
         [](HostilePacked& h) {
             for (std::uint16_t i = 0; i < ring_size; ++i) {
                 h.set(i, h.some_buffer(), 8, next);
             }
         }},
        {"a chain that runs into what is not offered", Kind::buffer_empty,
         [](HostilePacked& h) { h.offer(h.some_buffer(), 8, next); }},
        {"a buffer of no bytes", Kind::buffer_empty,
         [](HostilePacked& h) { h.offer(h.some_buffer(), 0, 0); }},
        {"an empty buffer at the end of a chain", Kind::buffer_empty,
         [](HostilePacked& h) {
             h.set(1, h.some_buffer(), 0, write);
             h.offer(h.some_buffer(), 8, next);
         }},
        {"a buffer at 0", Kind::buffer_unmapped, [](HostilePacked& h) { h.offer(0, 8, 0); }},
        {"a buffer at the end of the address space", Kind::buffer_unmapped,
         [](HostilePacked& h) { h.offer(std::numeric_limits<std::uint64_t>::max() - 3, 8, 0); }},
        {"a buffer one byte before memory", Kind::buffer_unmapped,
         [](HostilePacked& h) { h.offer(0x100000 - 1, 8, 0); }},
        {"a buffer of which the last byte is past the end", Kind::buffer_unmapped,
         [](HostilePacked& h) { h.offer(0x210000 - 7, 8, 0); }},
        {"a buffer over the gap between two regions", Kind::buffer_unmapped,
         [](HostilePacked& h) { h.offer(0x210000 - 8, 0xf0010, 0); }},
        {"a buffer of 4 GiB - 1", Kind::buffer_unmapped,
         [](HostilePacked& h) { h.offer(0x100000, std::numeric_limits<std::uint32_t>::max(), 0); }},
        {"a second buffer past the end", Kind::buffer_unmapped,
         [](HostilePacked& h) {
             h.set(1, 0x210000 - 4, 8, 0);
             h.offer(0x200000, 8, next);
         }},
        {"a chain that names the same memory until it has 4 GiB", Kind::buffer_too_large,
         [](HostilePacked& h) {
             h.offer_table(std::vector<PackedDescriptor>(
                 33, {HostilePacked::large_region, HostilePacked::large_size, 0, 0}));
         }},
        {"more buffers than a device takes", Kind::chain_too_long,
         [](HostilePacked& h) {
             h.offer_table(std::vector<PackedDescriptor>(BufferList::max_buffers + 1,
                                                         {h.some_buffer(), 1, 0, 0}));
         }},
        {"readable after writable", Kind::wrong_order,
         [](HostilePacked& h) {
             h.set(1, h.some_buffer(), 8, 0);
             h.offer(h.some_buffer(), 8, next | write);
         }},
        {"readable after writable in an indirect table", Kind::wrong_order,
         [](HostilePacked& h) {
             h.offer_table({{h.some_buffer(), 8, 0, write}, {h.some_buffer(), 8, 0, 0}});
         }},
        {"indirect, not negotiated", Kind::indirect_not_negotiated,
         [](HostilePacked& h) {
             h.features.indirect = false;
             h.offer_table({{h.some_buffer(), 8, 0, 0}});
         }},
        {"an indirect table of no bytes", Kind::indirect_bad_length,
         [](HostilePacked& h) { h.offer(h.some_buffer(), 0, indirect); }},
        {"an indirect table of one byte", Kind::indirect_bad_length,
         [](HostilePacked& h) { h.offer(h.some_buffer(), 1, indirect); }},
        {"an indirect table of one and a half entries", Kind::indirect_bad_length,
         [](HostilePacked& h) { h.offer(h.some_buffer(), 24, indirect); }},
        {"an indirect table of 4 GiB - 16", Kind::indirect_unmapped,
         [](HostilePacked& h) {
             h.offer(0x100000, std::numeric_limits<std::uint32_t>::max() - 15, indirect);
         }},
        {"an indirect table at 0", Kind::indirect_unmapped,
         [](HostilePacked& h) { h.offer(0, 16, indirect); }},
        {"an indirect table that ends outside", Kind::indirect_unmapped,
         [](HostilePacked& h) { h.offer(0x210000 - 16, 32, indirect); }},
        {"an indirect table over the gap between two regions", Kind::indirect_unmapped,
         [](HostilePacked& h) { h.offer(0x210000 - 8, 16, indirect); }},
        {"an indirect table whose address wraps", Kind::indirect_unmapped,
         [](HostilePacked& h) {
             h.offer(std::numeric_limits<std::uint64_t>::max() - 15, 32, indirect);
         }},
        {"indirect with a next", Kind::indirect_with_next,
         [](HostilePacked& h) { h.offer_table({{h.some_buffer(), 8, 0, 0}}, next); }},
        {"an indirect table in an indirect table", Kind::indirect_nested,
         [](HostilePacked& h) { h.offer_table({{h.some_buffer(), 16, 0, indirect}}); }},
        {"an indirect table that names itself", Kind::indirect_nested,
         [](HostilePacked& h) {
             const GuestAddress address = h.ram.allocate(16);
             const PackedDescriptor self{address.value, 16, 0, indirect};
             h.ram.put(address, std::as_bytes(std::span(&self, 1)));
             h.offer(address.value, 16, indirect);
         }},
        {"an empty buffer in an indirect table", Kind::buffer_empty,
         [](HostilePacked& h) { h.offer_table({{h.some_buffer(), 0, 0, 0}}); }},
        {"an unmapped buffer in an indirect table", Kind::buffer_unmapped,
         [](HostilePacked& h) { h.offer_table({{0x280000, 8, 0, 0}}); }},
    };
    return all;
}

}  // namespace

TEST_CASE("hostile packed ring: each lie ends in its typed fault",
          "[device][ring][packed][hostile]") {
    const auto index = GENERATE(range(std::size_t{0}, packed_cases().size()));
    const PackedCase& hostile = packed_cases()[index];
    DYNAMIC_SECTION(hostile.name) {
        HostilePacked h;
        hostile.act(h);
        Ring ring = h.open();
        const auto taken = ring.take();
        REQUIRE_FALSE(taken);
        CHECK(std::string(to_string(taken.error().kind)) == to_string(hostile.expected));
        INFO(taken.error().message);
        CHECK_FALSE(taken.error().message.empty());
        ring.publish();
        CHECK(h.driver.next_used() == PackedPlace{});  // nothing was returned
        CHECK((h.driver.descriptor(0).flags & packed_used) == 0);
    }
}

TEST_CASE("hostile packed ring: chains before the lie are good",
          "[device][ring][packed][hostile]") {
    HostilePacked h;
    const auto good = h.driver.chain().readable(pattern(8)).offer();
    h.set(1, 0, 8, 0);
    Ring ring = h.open();
    std::array<Chain, 8> chains;
    REQUIRE(ring.take_burst(chains) == std::size_t{1});
    CHECK(chains[0].head() == good.head);
    CHECK_FALSE(ring.take_burst(chains));
}

TEST_CASE("hostile packed ring: what was offered is taken back",
          "[device][ring][packed][hostile]") {
    HostilePacked h;
    for (int i = 0; i < 2; ++i) {
        h.driver.chain().writable(8).offer();
    }
    Ring ring = h.open();
    std::array<Chain, 2> chains;
    REQUIRE(must(ring.take_burst(chains)) == 2);
    // Too few for what is to be written, they wait in the ring for more.
    ring.put_back(std::move(chains[1]));
    ring.put_back(std::move(chains[0]));
    h.driver.set_flags(0, 0);
    // A third is there: who looks behind the two finds it, and who takes finds nothing.
    h.driver.chain().writable(8).offer();
    REQUIRE(must(ring.ask_for_kicks()));
    const auto taken = ring.take_burst(chains);
    REQUIRE_FALSE(taken);
    CHECK(taken.error().kind == RingFaultKind::offer_withdrawn);
}

TEST_CASE("hostile packed ring: what the device still has is offered again",
          "[device][ring][packed][hostile]") {
    HostilePacked h;
    for (std::uint32_t i = 0; i < ring_size; ++i) {
        h.driver.chain().writable(8).offer();
    }
    Ring ring = h.open();
    std::array<Chain, 8> chains;
    REQUIRE(must(ring.take_burst(chains)) == ring_size);
    SECTION("all of it") {
        h.driver.set_flags(0, FakePackedDriver::available_flags(false));
    }
    SECTION("as the rest of a chain") {
        ring.put_used(std::move(chains[0]), 0);
        h.driver.set_descriptor(
            0, {h.some_buffer(), 8, 0, FakePackedDriver::available_flags(false, descriptor_next)});
    }
    const auto taken = ring.take_burst(chains);
    REQUIRE_FALSE(taken);
    CHECK(taken.error().kind == RingFaultKind::ring_overrun);
}

TEST_CASE("hostile packed ring: places where a ring cannot be", "[device][ring][packed][hostile]") {
    GuestRam ram;
    FakePackedDriver driver(ram, 8);
    const auto memory = ram.mapped();
    const RingAddresses good = driver.addresses();
    const auto open = [&](const RingAddresses& addresses, std::uint32_t entries) {
        return Ring::open(memory, addresses, entries, {.packed = true}, PackedRing::initial_base);
    };
    const auto why_not = [&](const RingAddresses& addresses, std::uint32_t entries = 8) {
        const auto ring = open(addresses, entries);
        REQUIRE_FALSE(ring);
        return std::string(to_string(ring.error().kind));
    };
    const auto moved = [](UserAddress address, std::uint64_t by) {
        return UserAddress{address.value + by};
    };
    CHECK(open(good, 8));
    for (const std::uint32_t entries : {0u, 32769u, 65536u, 0xffffffffu}) {
        CHECK(why_not(good, entries) == "bad_size");
    }
    CHECK(why_not({moved(good.descriptors, 8), good.available, good.used}) == "misaligned");
    CHECK(why_not({good.descriptors, moved(good.available, 2), good.used}) == "misaligned");
    CHECK(why_not({good.descriptors, good.available, moved(good.used, 1)}) == "misaligned");
    const std::uint64_t end = GuestRam::user_base + GuestRam::default_size;
    CHECK(why_not({UserAddress{0}, good.available, good.used}) == "unmapped_ring");
    CHECK(why_not({UserAddress{end - 112}, good.available, good.used}) == "unmapped_ring");
    CHECK(why_not({good.descriptors, UserAddress{end}, good.used}) == "unmapped_ring");
    CHECK(why_not({good.descriptors, good.available, UserAddress{0xfffffffffffffff0}}) ==
          "unmapped_ring");
    // Exactly to the end is inside.
    CHECK(open({UserAddress{end - 128}, good.available, good.used}, 8));
    CHECK(open({good.descriptors, UserAddress{end - 4}, good.used}, 8));
}

TEST_CASE("hostile packed ring: descriptors that change while they are read",
          "[device][ring][packed][hostile]") {
    // A guest that rewrites everything all the time: whatever comes out is a fault or a chain
    // whose every byte is the guest's. Address sanitizer watches the rest.
    HostilePacked h;
    std::atomic<bool> stop{false};
    std::thread guest([&] {
        std::uint32_t seed = 12345;
        const auto random = [&] { return seed = seed * 1664525 + 1013904223; };
        while (!stop.load(std::memory_order_relaxed)) {
            for (std::uint16_t i = 0; i < ring_size; ++i) {
                const auto others = static_cast<std::uint16_t>(random() >> 16 & 7);
                h.driver.set_descriptor(
                    i, {0x100000 + random() % 0x120000, random() % 0x300,
                        static_cast<std::uint16_t>(random() >> 16),
                        FakePackedDriver::available_flags((random() >> 24 & 1) != 0, others)});
            }
            h.driver.set_driver_event(static_cast<std::uint16_t>(random() >> 16),
                                      static_cast<std::uint16_t>(random() >> 16));
        }
    });
    unsigned faults = 0;
    unsigned chains = 0;
    for (int i = 0; i < 20000; ++i) {
        Ring ring = h.open();
        std::array<Chain, 4> burst;
        const auto taken = ring.take_burst(burst);
        if (!taken) {
            ++faults;
            continue;
        }
        for (std::size_t j = 0; j < *taken; ++j) {
            ++chains;
            std::vector<std::byte> bytes(burst[j].readable_bytes());
            CHECK(gather(burst[j].readable(), 0, bytes) == bytes.size());
            ring.put_used(std::move(burst[j]), 0);
        }
        ring.publish();
        ring.decide_call();
        must(ring.ask_for_kicks());
    }
    stop = true;
    guest.join();
    CHECK(faults > 0);
    CHECK(chains > 0);
}
