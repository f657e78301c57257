// Everything that a driver can do to a network device through its rings, each with what becomes of
// it. What no driver may do breaks that queue, for a typed reason, and nothing of it is returned;
// what is only odd is served. In both cases the other queue goes on.
//
// hostile_ring.cpp has the lies in a ring's own words; here are those that need a device, and the
// driver that changes its mind while it is being read.

#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "tests/unit/device/log_catcher.h"
#include "tests/unit/device/net_bench.h"

using namespace skbtrail::device;
using namespace skbtrail::device::test;

namespace {

constexpr unsigned receive = 0;
constexpr unsigned transmit = 1;
constexpr Features segmenting = bench_features | feature_host_tso4;
constexpr Features plain = bench_features & ~feature_csum;

void offer(NetBench& b, const NetHeaderBytes& bytes, std::size_t frame = 60) {
    b.transmit.chain().readable(bytes).readable(pattern(frame)).offer();
}

/// A chain of `count` buffers of one byte each, header and frame.
FakeDriver::ChainBuilder crumbs(NetBench& b, std::size_t frame) {
    auto chain = b.transmit.chain();
    std::vector<std::byte> bytes(12);
    const auto rest = pattern(frame);
    bytes.insert(bytes.end(), rest.begin(), rest.end());
    for (const std::byte& byte : bytes) {
        chain.readable({&byte, 1});
    }
    return chain;
}

/// Chain `head` of direct descriptors, written by hand.
void chain(FakeDriver& driver, const std::vector<RingDescriptor>& descriptors) {
    for (std::uint16_t i = 0; i < descriptors.size(); ++i) {
        driver.set_descriptor(i, descriptors[i]);
    }
    driver.offer_head(0);
}

struct DeviceRow {
    std::string input;
    unsigned queue;
    std::string fault;  ///< what the queue is broken by; "": it lives, and serves
    Features negotiated;
    std::function<void(NetBench&)> act;
};

const std::vector<DeviceRow>& device_rows() {
    constexpr std::uint16_t next = descriptor_next;
    constexpr std::uint16_t write = descriptor_write;
    constexpr std::uint16_t indirect = descriptor_indirect;
    constexpr std::uint64_t base = GuestRam::default_base;
    constexpr std::uint64_t end = base + GuestRam::default_size;
    static const std::vector<DeviceRow> all = {
        // The header of a frame.
        {"a checksum that starts past the end", transmit, "bad_header", bench_features,
         [](auto& b) { offer(b, net_header(1, 0, 0, 61, 0)); }},
        {"a checksum that starts at the end", transmit, "bad_header", bench_features,
         [](auto& b) { offer(b, net_header(1, 0, 0, 60, 0)); }},
        {"a checksum of which half is past the end", transmit, "bad_header", bench_features,
         [](auto& b) { offer(b, net_header(1, 0, 0, 34, 25)); }},
        {"a checksum whose place wraps in 16 bits", transmit, "bad_header", bench_features,
         [](auto& b) { offer(b, net_header(1, 0, 0, 65535, 35)); }},
        {"a checksum in the last two bytes", transmit, "", bench_features,
         [](auto& b) { offer(b, net_header(1, 0, 0, 34, 24)); }},
        {"a checksum that was not negotiated", transmit, "bad_header", plain,
         [](auto& b) { offer(b, net_header(1, 0, 0, 34, 16)); }},
        {"segments of 0 bytes", transmit, "bad_header", segmenting,
         [](auto& b) { offer(b, net_header(1, gso_tcp4, 0, 34, 16), 3000); }},
        {"segments without a checksum", transmit, "bad_header", segmenting,
         [](auto& b) { offer(b, net_header(0, gso_tcp4, 1448), 3000); }},
        {"TCPv6 segments where TCPv4's were negotiated", transmit, "bad_header", segmenting,
         [](auto& b) { offer(b, net_header(1, gso_tcp6, 1448, 34, 16), 3000); }},
        {"segments with ECN, which was not negotiated", transmit, "bad_header", segmenting,
         [](auto& b) { offer(b, net_header(1, 0x80 | gso_tcp4, 1448, 34, 16), 3000); }},
        {"ECN alone", transmit, "bad_header", segmenting,
         [](auto& b) { offer(b, net_header(1, 0x80, 1448, 34, 16), 3000); }},
        {"a type of segments that is none", transmit, "bad_header", segmenting,
         [](auto& b) { offer(b, net_header(1, 0x7f, 1448, 34, 16), 3000); }},
        {"every bit of the header set", transmit, "bad_header", segmenting,
         [](auto& b) {
             NetHeaderBytes bytes;
             bytes.fill(std::byte{0xff});
             offer(b, bytes);
         }},
        {"flags that nobody knows", transmit, "", bench_features,
         [](auto& b) { offer(b, net_header(0xf8)); }},
        // The chain of a frame to be sent.
        {"a header cut into bytes, the last of them writable", transmit, "wrong_direction",
         bench_features,
         [](auto& b) {
             auto chain = b.transmit.chain();
             const auto byte = pattern(1, 0);
             for (int i = 0; i < 11; ++i) {
                 chain.readable(byte);
             }
             chain.writable(1).offer();
         }},
        {"a header in an indirect table, the frame writable", transmit, "wrong_direction",
         bench_features,
         [](auto& b) {
             b.transmit.chain().readable(NetHeaderBytes{}).writable(60).indirect().offer();
         }},
        {"11 bytes in 11 buffers", transmit, "chain_too_short", bench_features,
         [](auto& b) {
             auto chain = b.transmit.chain();
             const auto byte = pattern(1, 0);
             for (int i = 0; i < 11; ++i) {
                 chain.readable(byte);
             }
             chain.offer();
         }},
        {"a header and no frame", transmit, "", bench_features,
         [](auto& b) { b.transmit.chain().readable(NetHeaderBytes{}).offer(); }},
        {"a frame of 13 bytes", transmit, "", bench_features,
         [](auto& b) { offer(b, NetHeaderBytes{}, 13); }},
        {"a frame longer than any", transmit, "", bench_features,
         [](auto& b) { offer(b, NetHeaderBytes{}, max_frame_bytes + 1); }},
        {"a frame of 1 MiB that names the same memory again and again", transmit, "",
         bench_features,
         [](auto& b) {
             auto chain = b.transmit.chain();
             for (int i = 0; i < 256; ++i) {
                 chain.piece({GuestAddress{base}, 4096, false});
             }
             chain.indirect().offer();
         }},
        {"header and frame in 70 buffers of a byte", transmit, "", bench_features,
         [](auto& b) { crumbs(b, 58).indirect().offer(); }},
        {"1,024 buffers, as long as a chain can be", transmit, "", bench_features,
         [](auto& b) { crumbs(b, 1012).indirect().offer(); }},
        {"1,025 buffers", transmit, "chain_too_long", bench_features,
         [](auto& b) { crumbs(b, 1013).indirect().offer(); }},
        {"as many buffers as the ring has, as Windows sends", transmit, "", bench_features,
         [](auto& b) {
             auto chain = b.transmit.chain();
             chain.readable(NetHeaderBytes{});
             for (unsigned i = 1; i < NetBench::ring_size; ++i) {
                 chain.readable(pattern(90, i));
             }
             chain.offer();
         }},
        {"a frame that ends where memory does", transmit, "", bench_features,
         [](auto& b) {
             b.transmit.chain()
                 .readable(NetHeaderBytes{})
                 .piece({GuestAddress{end - 60}, 60, false})
                 .offer();
         }},
        {"a frame that ends a byte later", transmit, "buffer_unmapped", bench_features,
         [](auto& b) {
             b.transmit.chain()
                 .readable(NetHeaderBytes{})
                 .piece({GuestAddress{end - 60}, 61, false})
                 .offer();
         }},
        {"a frame whose address wraps", transmit, "buffer_unmapped", bench_features,
         [](auto& b) {
             b.transmit.chain()
                 .readable(NetHeaderBytes{})
                 .piece({GuestAddress{~std::uint64_t{0} - 10}, 60, false})
                 .offer();
         }},
        {"an empty buffer between header and frame", transmit, "buffer_empty", bench_features,
         [](auto& b) {
             b.transmit.chain()
                 .readable(NetHeaderBytes{})
                 .piece({GuestAddress{base}, 0, false})
                 .readable(pattern(60))
                 .offer();
         }},
        {"a chain that comes back to its second buffer", transmit, "loop", bench_features,
         [](auto& b) {
             chain(b.transmit, {{base, 12, next, 1}, {base, 60, next, 2}, {base, 60, next, 1}});
         }},
        {"a table in a table", transmit, "indirect_nested", bench_features,
         [](auto& b) {
             const GuestAddress table = b.ram.allocate(16);
             const RingDescriptor inner{base, 16, indirect, 0};
             b.ram.put(table, std::as_bytes(std::span(&inner, 1)));
             chain(b.transmit, {{table.value, 16, indirect, 0}});
         }},
        {"the ring's own descriptors as a table", transmit, "indirect_nested", bench_features,
         [](auto& b) {
             const std::uint64_t ring =
                 b.transmit.addresses().descriptors.value - GuestRam::user_base + base;
             chain(b.transmit, {{ring, 32, indirect, 0}});
         }},
        {"a table where nothing is", transmit, "indirect_unmapped", bench_features,
         [](auto& b) { chain(b.transmit, {{end, 64, indirect, 0}}); }},
        {"a table of 15 bytes", transmit, "indirect_bad_length", bench_features,
         [](auto& b) { chain(b.transmit, {{base, 15, indirect, 0}}); }},
        {"a table, not negotiated", transmit, "indirect_not_negotiated",
         bench_features & ~feature_indirect_desc,
         [](auto& b) { chain(b.transmit, {{base, 16, indirect, 0}}); }},
        // The indexes.
        {"an index half its range ahead", transmit, "available_jump", bench_features,
         [](auto& b) { b.transmit.set_available_index(0x8000); }},
        {"an index that goes back", transmit, "available_jump", bench_features,
         [](auto& b) { b.transmit.set_available_index(0xffff); }},
        {"one chain offered twice", transmit, "", bench_features,
         [](auto& b) {
             const auto once =
                 b.transmit.chain().readable(NetHeaderBytes{}).readable(pattern(60)).offer();
             b.transmit.offer_head(once.head);
         }},
        // Buffers to receive into.
        {"a buffer of one byte", receive, "chain_too_short", bench_features,
         [](auto& b) { b.receive.chain().writable(1).offer(); }},
        {"a buffer of one byte, without merging", receive, "chain_too_short", no_merging,
         [](auto& b) { b.receive.chain().writable(1).offer(); }},
        {"a buffer that only the header fits in", receive, "", bench_features,
         [](auto& b) {
             for (int i = 0; i < 4; ++i) {
                 b.receive.chain().writable(i == 0 ? 12 : 40).offer();
             }
         }},
        {"a later buffer of one byte", receive, "", bench_features,
         [](auto& b) {
             b.receive.chain().writable(40).offer();
             b.receive.chain().writable(1).offer();
             b.receive.chain().writable(40).offer();
         }},
        {"72 buffers of one byte in a chain", receive, "", bench_features,
         [](auto& b) {
             auto chain = b.receive.chain();
             for (int i = 0; i < 72; ++i) {
                 chain.writable(1);
             }
             chain.indirect().offer();
         }},
        {"a readable buffer", receive, "wrong_direction", bench_features,
         [](auto& b) { b.receive.chain().readable(pattern(200)).offer(); }},
        {"a readable buffer behind a writable one", receive, "wrong_order", bench_features,
         [](auto& b) { chain(b.receive, {{base, 100, next | write, 1}, {base, 100, 0, 0}}); }},
        {"a buffer that is nowhere", receive, "buffer_unmapped", bench_features,
         [](auto& b) { b.receive.chain().piece({GuestAddress{end}, 2000, true}).offer(); }},
        {"buffers that are the ring itself", receive, "", bench_features,
         [](auto& b) {
             const std::uint64_t used =
                 b.receive.addresses().used.value - GuestRam::user_base + base;
             b.receive.chain().writable(50).offer();
             b.receive.chain().piece({GuestAddress{used + 20}, 40, true}).offer();
         }},
        {"a head past the table", receive, "head_out_of_range", bench_features,
         [](auto& b) { b.receive.offer_head(NetBench::ring_size); }},
        {"an index that jumps", receive, "available_jump", bench_features,
         [](auto& b) { b.receive.set_available_index(999); }},
    };
    return all;
}

/// The device works on whatever is in the queue.
void work(NetBench& bench, unsigned queue) {
    bench.kick(queue);
    if (queue == receive) {
        bench.wire.deliver(pattern(60));
        bench.settle();
    }
}

}  // namespace

TEST_CASE("hostile device: a row for each input", "[device][net][hostile]") {
    const auto index = GENERATE(range(std::size_t{0}, device_rows().size()));
    const DeviceRow& row = device_rows()[index];
    DYNAMIC_SECTION((row.queue == receive ? "receive: " : "transmit: ") << row.input) {
        const bool offloads = (row.negotiated & feature_host_tso4) != 0;
        NetBench bench(row.negotiated, offloads);
        FakeDriver& driver = row.queue == receive ? bench.receive : bench.transmit;
        const LogCatcher log;
        row.act(bench);
        work(bench, row.queue);
        const unsigned other = row.queue == receive ? transmit : receive;

        CHECK(bench.broken_by(row.queue) == row.fault);
        if (!row.fault.empty()) {
            CHECK(bench.state(row.queue) == Virtqueue::State::broken);
            CHECK(bench.fds(row.queue).error.take() == 1);
            CHECK(driver.used_index() == 0);
            const auto& fault =
                std::as_const(*bench.device).queue(row.queue).virtqueue().broken_by();
            REQUIRE(fault);
            CHECK_FALSE(fault->message.empty());
            CHECK(log.count(fmt::format("[error] queue {} ({}) stopped, {}: {}", row.queue,
                                        row.queue == receive ? "receive" : "transmit", row.fault,
                                        fault->message)) == 1);
            // It stays quiet, whatever comes.
            work(bench, row.queue);
            CHECK(driver.used_index() == 0);
            CHECK(bench.fds(row.queue).error.take() == 0);
            CHECK(log.count("[error]") == 1);
        } else {
            CHECK(log.count("[error]") == 0);
            CHECK(bench.state(row.queue) == Virtqueue::State::running);
            CHECK(bench.fds(row.queue).error.take() == 0);
            CHECK(driver.used_index() > 0);
        }

        CHECK(bench.state(other) == Virtqueue::State::running);
        const auto sent = bench.wire.sent.size();
        if (other == transmit) {
            bench.send(pattern(60));
            CHECK(bench.wire.sent.size() == sent + 1);
        } else {
            bench.receive.chain().writable(200).offer();
            bench.wire.deliver(pattern(60));
            bench.settle();
            CHECK(bench.receive.used_index() == 1);
        }
    }
}

TEST_CASE("hostile device: a driver that rewrites what is being read", "[device][net][hostile]") {
    // A thread writes into headers, descriptors, tables and indexes of both queues while the
    // device works on them. The wire must never see a frame that contradicts itself, whatever the
    // driver's bytes were at which moment; address sanitizer watches the rest.
    constexpr auto enough = std::chrono::milliseconds(1500);
    const auto level = spdlog::get_level();
    spdlog::set_level(spdlog::level::off);  // thousands of queues will break
    NetBench bench(segmenting, true);
    std::atomic<std::uint64_t> frames{0};
    bench.wire.on_transmit = [&](const Frame& frame) {
        ++frames;
        const FrameOffload& offload = frame.offload;
        const bool whole =
            frame.bytes.size() >= min_frame_bytes && frame.bytes.size() <= max_frame_bytes &&
            (!offload.needs_checksum ||
             std::size_t{offload.checksum_start} + offload.checksum_offset + 2 <=
                 frame.bytes.size()) &&
            (offload.gso_type == gso_none ||
             (offload.gso_type == gso_tcp4 && offload.gso_size > 0 && offload.needs_checksum));
        if (!whole) {
            FAIL("a frame that contradicts itself reached the wire");
        }
        bench.wire.sent.clear();
    };

    // Buffers of its own for each descriptor; half of them are offered through tables.
    constexpr std::uint16_t size = NetBench::ring_size;
    std::vector<GuestAddress> buffers;
    std::vector<GuestAddress> tables;
    for (int i = 0; i < size; ++i) {
        buffers.push_back(bench.ram.allocate(4096));
        tables.push_back(bench.ram.allocate(64));
    }
    std::atomic<bool> stop{false};
    std::thread driver([&] {
        std::uint32_t seed = 4711;
        const auto random = [&](std::uint32_t below) {
            seed = seed * 1664525 + 1013904223;
            return static_cast<std::uint32_t>((std::uint64_t{seed} * below) >> 32);
        };
        // Honest in this alone, so that the device gets beyond the index.
        std::uint16_t available[2] = {0, 0};
        while (!stop.load(std::memory_order_relaxed)) {
            for (FakeDriver* queue : {&bench.receive, &bench.transmit}) {
                const auto i = static_cast<std::uint16_t>(random(size));
                const bool writable = queue == &bench.receive;
                std::uint16_t& index = available[writable ? receive : transmit];
                // Mostly good, so that the device gets far; sometimes anything.
                RingDescriptor descriptor{buffers[i].value, 14 + random(2000),
                                          writable ? descriptor_write : std::uint16_t{0},
                                          static_cast<std::uint16_t>(random(size))};
                switch (random(64)) {
                    case 0:
                        descriptor.flags ^= static_cast<std::uint16_t>(1 + random(7));
                        break;
                    case 1:
                        descriptor.address = random(0xffffffff);
                        break;
                    case 2:
                        descriptor.length = random(0xffffffff);
                        break;
                    default:
                        if (random(4) == 0) {
                            bench.ram.put(tables[i], std::as_bytes(std::span(&descriptor, 1)));
                            descriptor = {tables[i].value, 16, descriptor_indirect, 0};
                        }
                        break;
                }
                queue->set_descriptor(i, descriptor);
                queue->set_available_entry(index, i);
                const NetHeaderBytes lie = net_header(
                    random(2) != 0 ? 1 : 0, random(3) == 0 ? gso_tcp4 : gso_none,
                    static_cast<std::uint16_t>(random(1500)),
                    static_cast<std::uint16_t>(random(80)), static_cast<std::uint16_t>(random(20)));
                bench.ram.put(buffers[random(size)], lie);
                if (static_cast<std::uint16_t>(index - queue->used_index()) < size) {
                    queue->set_available_index(++index);
                }
            }
        }
    });
    unsigned broken = 0;
    const auto deadline = std::chrono::steady_clock::now() + enough;
    while (std::chrono::steady_clock::now() < deadline) {
        for (const unsigned queue : {receive, transmit}) {
            if (bench.state(queue) != Virtqueue::State::running) {
                ++broken;
                REQUIRE(bench.fds(queue).error.take() > 0);
                must(bench.device->stop_ring(queue));
                FakeDriver& ring = queue == receive ? bench.receive : bench.transmit;
                // What was not returned is there again, rewritten.
                bench.start(queue, ring, ring.used_index());
            }
            bench.fds(queue).kick.signal();
        }
        bench.loop.turn(std::chrono::milliseconds(0));
        bench.wire.deliver(pattern(1 + frames % 1514));
    }
    stop = true;
    driver.join();
    spdlog::set_level(level);
    CHECK(broken > 0);
    CHECK(frames > 0);

    // And when it comes to its senses, it is served.
    bench.settle();
    for (const unsigned queue : {receive, transmit}) {
        must(bench.device->stop_ring(queue));
    }
    FakeDriver sane_receive(bench.ram, size);
    FakeDriver sane_transmit(bench.ram, size);
    bench.start(receive, sane_receive);
    bench.start(transmit, sane_transmit);
    sane_receive.chain().writable(200).offer();
    CHECK(bench.wire.deliver(pattern(60)));
    const auto before = frames.load();
    sane_transmit.chain().readable(NetHeaderBytes{}).readable(pattern(60)).offer();
    bench.kick(transmit);
    CHECK(frames == before + 1);
    CHECK(sane_receive.take_used());
    CHECK(sane_transmit.take_used());
}
