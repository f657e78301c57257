// Everything that a driver can write into a ring to hurt the device, each with what becomes of it:
// that ring is broken for a typed reason, and nothing else happens.

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
#include "tests/unit/device/fake_driver.h"

using namespace skbtrail::device;
using namespace skbtrail::device::test;

namespace {

struct HostileSplit {
    // Never touched, so never there.
    static constexpr std::uint64_t large_region = 0x300000;
    static constexpr std::uint32_t large_size = 0x8000000;

    GuestRam ram{{{0x100000, 0x100000}, {0x200000, 0x10000}, {large_region, large_size}}};
    FakeDriver driver{ram, 8};
    RingFeatures features{true, true};

    Ring open() { return must(Ring::open(ram.mapped(), driver.addresses(), 8, features, 0)); }
    /// A table at a fresh address, and a descriptor for it.
    RingDescriptor table(const std::vector<RingDescriptor>& entries) {
        const GuestAddress address = ram.allocate(16 * entries.size() + 16);
        ram.put(address, std::as_bytes(std::span(entries)));
        return {address.value, static_cast<std::uint32_t>(16 * entries.size()), descriptor_indirect,
                0};
    }
    std::uint64_t some_buffer() { return ram.allocate(64).value; }
    void offer(const RingDescriptor& descriptor) {
        driver.set_descriptor(0, descriptor);
        driver.offer_head(0);
    }
};

struct SplitCase {
    std::string name;
    RingFaultKind expected;
    std::function<void(HostileSplit&)> act;
};

const std::vector<SplitCase>& split_cases() {
    using Kind = RingFaultKind;
    constexpr std::uint16_t next = descriptor_next;
    constexpr std::uint16_t write = descriptor_write;
    constexpr std::uint16_t indirect = descriptor_indirect;
    static const std::vector<SplitCase> all = {
        {"the available index runs one further than the ring is long", Kind::available_jump,
         [](HostileSplit& h) { h.driver.set_available_index(9); }},
        {"the available index goes back", Kind::available_jump,
         [](HostileSplit& h) { h.driver.set_available_index(65535); }},
        {"the available index jumps by half its range", Kind::available_jump,
         [](HostileSplit& h) { h.driver.set_available_index(32768); }},
        {"a head one past the table", Kind::head_out_of_range,
         [](HostileSplit& h) { h.driver.offer_head(8); }},
        {"a head of 65535", Kind::head_out_of_range,
         [](HostileSplit& h) { h.driver.offer_head(65535); }},
        {"a next one past the table", Kind::next_out_of_range,
         [](HostileSplit& h) { h.offer({h.some_buffer(), 8, next, 8}); }},
        {"a next of 65535", Kind::next_out_of_range,
         [](HostileSplit& h) { h.offer({h.some_buffer(), 8, next, 65535}); }},
        {"a descriptor that is its own next", Kind::loop,
         [](HostileSplit& h) { h.offer({h.some_buffer(), 8, next, 0}); }},
        {"a loop of two, the first not in it", Kind::loop,
         [](HostileSplit& h) {
             h.driver.set_descriptor(1, {h.some_buffer(), 8, next, 2});
             h.driver.set_descriptor(2, {h.some_buffer(), 8, next, 1});
             h.offer({h.some_buffer(), 8, next, 1});
         }},
        {"a loop through every descriptor", Kind::loop,
         [](HostileSplit& h) {
             for (std::uint16_t i = 0; i < 8; ++i) {
                 h.driver.set_descriptor(
                     i, {h.some_buffer(), 8, next, static_cast<std::uint16_t>((i + 1) % 8)});
             }
             h.driver.offer_head(0);
         }},
        {"a buffer of no bytes", Kind::buffer_empty,
         [](HostileSplit& h) { h.offer({h.some_buffer(), 0, 0, 0}); }},
        {"an empty buffer at the end of a chain", Kind::buffer_empty,
         [](HostileSplit& h) {
             h.driver.set_descriptor(1, {h.some_buffer(), 0, write, 0});
             h.offer({h.some_buffer(), 8, next, 1});
         }},
        {"a buffer at 0", Kind::buffer_unmapped, [](HostileSplit& h) { h.offer({0, 8, 0, 0}); }},
        {"a buffer at the end of the address space", Kind::buffer_unmapped,
         [](HostileSplit& h) {
             h.offer({std::numeric_limits<std::uint64_t>::max() - 3, 8, 0, 0});
         }},
        {"a buffer one byte before memory", Kind::buffer_unmapped,
         [](HostileSplit& h) { h.offer({0x100000 - 1, 8, 0, 0}); }},
        {"a buffer of which the last byte is past the end", Kind::buffer_unmapped,
         [](HostileSplit& h) { h.offer({0x210000 - 7, 8, 0, 0}); }},
        {"a buffer over the gap between two regions", Kind::buffer_unmapped,
         [](HostileSplit& h) { h.offer({0x210000 - 8, 0xf0010, 0, 0}); }},
        {"a buffer of 4 GiB - 1", Kind::buffer_unmapped,
         [](HostileSplit& h) {
             h.offer({0x100000, std::numeric_limits<std::uint32_t>::max(), 0, 0});
         }},
        {"a chain that names the same memory until it has 4 GiB", Kind::buffer_too_large,
         [](HostileSplit& h) {
             std::vector<RingDescriptor> entries(
                 33, {HostileSplit::large_region, HostileSplit::large_size, next, 0});
             for (std::uint16_t i = 0; i < 33; ++i) {
                 entries[i].next = static_cast<std::uint16_t>(i + 1);
             }
             entries.back().flags = 0;
             h.offer(h.table(entries));
         }},
        {"more buffers than a device takes", Kind::chain_too_long,
         [](HostileSplit& h) {
             const std::uint64_t buffer = h.some_buffer();
             std::vector<RingDescriptor> entries;
             for (std::uint16_t i = 0; i < BufferList::max_buffers; ++i) {
                 entries.push_back({buffer, 1, next, static_cast<std::uint16_t>(i + 1)});
             }
             entries.push_back({buffer, 1, 0, 0});
             h.offer(h.table(entries));
         }},
        {"readable after writable", Kind::wrong_order,
         [](HostileSplit& h) {
             h.driver.set_descriptor(1, {h.some_buffer(), 8, 0, 0});
             h.offer({h.some_buffer(), 8, next | write, 1});
         }},
        {"readable after writable in an indirect table", Kind::wrong_order,
         [](HostileSplit& h) {
             h.offer(h.table({{h.some_buffer(), 8, next | write, 1}, {h.some_buffer(), 8, 0, 0}}));
         }},
        {"indirect, not negotiated", Kind::indirect_not_negotiated,
         [](HostileSplit& h) {
             h.features.indirect = false;
             h.offer(h.table({{h.some_buffer(), 8, 0, 0}}));
         }},
        {"an indirect table of no bytes", Kind::indirect_bad_length,
         [](HostileSplit& h) { h.offer({h.some_buffer(), 0, indirect, 0}); }},
        {"an indirect table of one byte", Kind::indirect_bad_length,
         [](HostileSplit& h) { h.offer({h.some_buffer(), 1, indirect, 0}); }},
        {"an indirect table of one and a half entries", Kind::indirect_bad_length,
         [](HostileSplit& h) { h.offer({h.some_buffer(), 24, indirect, 0}); }},
        {"an indirect table of 4 GiB - 1", Kind::indirect_bad_length,
         [](HostileSplit& h) {
             h.offer({0x100000, std::numeric_limits<std::uint32_t>::max(), indirect, 0});
         }},
        {"an indirect table of 4 GiB - 16", Kind::indirect_unmapped,
         [](HostileSplit& h) {
             h.offer({0x100000, std::numeric_limits<std::uint32_t>::max() - 15, indirect, 0});
         }},
        {"an indirect table at 0", Kind::indirect_unmapped,
         [](HostileSplit& h) { h.offer({0, 16, indirect, 0}); }},
        {"an indirect table that ends outside", Kind::indirect_unmapped,
         [](HostileSplit& h) { h.offer({0x210000 - 16, 32, indirect, 0}); }},
        {"an indirect table over the gap between two regions", Kind::indirect_unmapped,
         [](HostileSplit& h) { h.offer({0x210000 - 8, 16, indirect, 0}); }},
        {"an indirect table whose address wraps", Kind::indirect_unmapped,
         [](HostileSplit& h) {
             h.offer({std::numeric_limits<std::uint64_t>::max() - 15, 32, indirect, 0});
         }},
        {"indirect with a next", Kind::indirect_with_next,
         [](HostileSplit& h) {
             RingDescriptor table = h.table({{h.some_buffer(), 8, 0, 0}});
             table.flags |= next;
             table.next = 1;
             h.offer(table);
         }},
        {"an indirect table in an indirect table", Kind::indirect_nested,
         [](HostileSplit& h) {
             const RingDescriptor inner = h.table({{h.some_buffer(), 8, 0, 0}});
             h.offer(h.table({inner}));
         }},
        {"an indirect table that names itself", Kind::indirect_nested,
         [](HostileSplit& h) {
             const GuestAddress address = h.ram.allocate(16);
             const RingDescriptor self{address.value, 16, indirect, 0};
             h.ram.put(address, std::as_bytes(std::span(&self, 1)));
             h.offer(self);
         }},
        {"a next past the indirect table", Kind::next_out_of_range,
         [](HostileSplit& h) { h.offer(h.table({{h.some_buffer(), 8, next, 1}})); }},
        {"a loop in an indirect table", Kind::loop,
         [](HostileSplit& h) {
             h.offer(h.table({{h.some_buffer(), 8, next, 1}, {h.some_buffer(), 8, next, 0}}));
         }},
        {"an empty buffer in an indirect table", Kind::buffer_empty,
         [](HostileSplit& h) { h.offer(h.table({{h.some_buffer(), 0, 0, 0}})); }},
        {"an unmapped buffer in an indirect table", Kind::buffer_unmapped,
         [](HostileSplit& h) { h.offer(h.table({{0x280000, 8, 0, 0}})); }},
    };
    return all;
}

}  // namespace

TEST_CASE("hostile ring: each lie ends in its typed fault", "[device][ring][hostile]") {
    const auto index = GENERATE(range(std::size_t{0}, split_cases().size()));
    const SplitCase& hostile = split_cases()[index];
    DYNAMIC_SECTION(hostile.name) {
        HostileSplit h;
        hostile.act(h);
        Ring ring = h.open();
        const auto taken = ring.take();
        REQUIRE_FALSE(taken);
        CHECK(std::string(to_string(taken.error().kind)) == to_string(hostile.expected));
        INFO(taken.error().message);
        CHECK_FALSE(taken.error().message.empty());
        CHECK(h.driver.used_index() == 0);  // nothing was returned
    }
}

TEST_CASE("hostile ring: chains before the lie are good", "[device][ring][hostile]") {
    HostileSplit h;
    const auto good = h.driver.chain().readable(pattern(8)).offer();
    h.driver.offer_head(100);
    Ring ring = h.open();
    auto first = ring.take();
    REQUIRE(first);
    REQUIRE(*first);
    CHECK((*first)->head() == good.head);
    CHECK_FALSE(ring.take());
}

TEST_CASE("hostile ring: places where a ring cannot be", "[device][ring][hostile]") {
    GuestRam ram;
    FakeDriver driver(ram, 8);
    const auto memory = ram.mapped();
    const RingAddresses good = driver.addresses();
    const auto why_not = [&](const RingAddresses& addresses, std::uint32_t size = 8) {
        const auto ring = Ring::open(memory, addresses, size, {}, 0);
        REQUIRE_FALSE(ring);
        return std::string(to_string(ring.error().kind));
    };
    const auto moved = [](UserAddress address, std::uint64_t by) {
        return UserAddress{address.value + by};
    };
    CHECK(Ring::open(memory, good, 8, {}, 0));

    for (const std::uint32_t size : {0u, 3u, 6u, 65536u, 32768u * 2 + 1, 0xffffffffu}) {
        CHECK(why_not(good, size) == "bad_size");
    }
    CHECK(why_not({moved(good.descriptors, 8), good.available, good.used}) == "misaligned");
    CHECK(why_not({good.descriptors, moved(good.available, 1), good.used}) == "misaligned");
    CHECK(why_not({good.descriptors, good.available, moved(good.used, 2)}) == "misaligned");

    const std::uint64_t end = GuestRam::user_base + GuestRam::default_size;
    CHECK(why_not({UserAddress{0}, good.available, good.used}) == "unmapped_ring");
    CHECK(why_not({UserAddress{end - 112}, good.available, good.used}) == "unmapped_ring");
    CHECK(why_not({good.descriptors, UserAddress{end - 20}, good.used}) == "unmapped_ring");
    CHECK(why_not({good.descriptors, good.available, UserAddress{end - 68}}) == "unmapped_ring");
    CHECK(why_not({good.descriptors, good.available, UserAddress{0xfffffffffffffff0}}) ==
          "unmapped_ring");
    // Exactly to the end is inside.
    CHECK(Ring::open(memory, {UserAddress{end - 128}, good.available, good.used}, 8, {}, 0));
    CHECK(Ring::open(memory, {good.descriptors, UserAddress{end - 22}, good.used}, 8, {}, 0));

    SECTION("a region whose offset breaks the alignment") {
        const RegionDescription crooked{GuestAddress{0}, 0x10000, UserAddress{0x10000}, 1};
        const auto bent = std::make_shared<const GuestMemory>(
            must(GuestMemory().with(must(Region::map(crooked, ram.fd())))));
        const auto ring = Ring::open(
            bent, {UserAddress{0x10000}, UserAddress{0x11000}, UserAddress{0x12000}}, 8, {}, 0);
        REQUIRE_FALSE(ring);
        CHECK(ring.error().kind == RingFaultKind::misaligned);
    }
}

TEST_CASE("hostile ring: descriptors that change while they are read", "[device][ring][hostile]") {
    // A guest that rewrites everything all the time: whatever comes out is a fault or a chain
    // whose every byte is the guest's. Address sanitizer watches the rest.
    HostileSplit h;
    std::atomic<bool> stop{false};
    std::thread guest([&] {
        std::uint32_t seed = 12345;
        const auto random = [&] { return seed = seed * 1664525 + 1013904223; };
        while (!stop.load(std::memory_order_relaxed)) {
            for (std::uint16_t i = 0; i < 8; ++i) {
                h.driver.set_descriptor(i, {0x100000 + random() % 0x120000, random() % 0x300,
                                            static_cast<std::uint16_t>(random() >> 16 & 7),
                                            static_cast<std::uint16_t>(random() >> 16 & 9)});
            }
            h.driver.set_available_index(static_cast<std::uint16_t>(random() >> 29));
        }
    });
    unsigned faults = 0;
    unsigned chains = 0;
    for (int i = 0; i < 20000; ++i) {
        Ring ring = h.open();
        auto taken = ring.take();
        if (!taken) {
            ++faults;
            continue;
        }
        if (!*taken) {
            continue;
        }
        ++chains;
        std::vector<std::byte> bytes((*taken)->readable_bytes());
        CHECK(gather((*taken)->readable(), 0, bytes) == bytes.size());
        ring.put_used(std::move(**taken), 0);
    }
    stop = true;
    guest.join();
    CHECK(faults > 0);
    CHECK(chains > 0);
}

TEST_CASE("hostile ring: an indirect table across two regions that touch is as good as any",
          "[device][ring][hostile]") {
    HostileSplit hostile;
    const GuestAddress at{0x200000 - 8};  // not even aligned
    const RingDescriptor entry{hostile.some_buffer(), 8, 0, 0};
    const auto bytes = std::as_bytes(std::span(&entry, 1));
    hostile.ram.put(at, bytes.first(8));
    hostile.ram.put(GuestAddress{0x200000}, bytes.subspan(8));
    hostile.offer({at.value, 16, descriptor_indirect, 0});
    Ring ring = hostile.open();
    const auto chain = must(ring.take());
    REQUIRE(chain);
    CHECK(chain->readable_bytes() == 8);
}
