// What the queues mark in the log of written pages: all that they write, and nothing else. A
// migration copies these pages again; one that is missing is a guest with old bytes in it.

#include <memory>
#include <set>

#include <catch2/catch_test_macros.hpp>

#include "tests/unit/device/log_file.h"
#include "tests/unit/device/net_bench.h"
#include "tests/unit/device/packed_bench.h"

using namespace skbtrail::device;
using namespace skbtrail::device::test;

namespace {

using Pages = std::set<std::uint64_t>;

constexpr std::uint64_t page_bytes = DirtyLog::page_bytes;

Pages pages_of(GuestAddress address, std::uint64_t length) {
    Pages pages;
    for (auto page = address.value / page_bytes; page <= (address.value + length - 1) / page_bytes;
         ++page) {
        pages.insert(page);
    }
    return pages;
}
Pages joined(Pages one, const Pages& other) {
    one.insert(other.begin(), other.end());
    return one;
}

/// Logs what `Bench` writes from now on.
template <typename Bench>
struct Logged {
    template <typename... Arguments>
    explicit Logged(Features negotiated, Arguments&&... arguments)
        : bench(negotiated, std::forward<Arguments>(arguments)...) {
        bench.device->set_log(must(DirtyLog::map(file.fd(), 0, 4096)));
        bench.device->set_log_notice(must(CallTarget::adopt(notice.share())));
        must(bench.device->set_features(negotiated | feature_log_all));
        log_ring(0, bench.receive);
        log_ring(1, bench.transmit);
    }
    template <typename Driver>
    void log_ring(unsigned queue, const Driver& driver) {
        auto addresses = driver.addresses();
        addresses.used_log = bench.ram.guest(addresses.used);
        must(bench.device->set_ring_addresses(queue, addresses));
    }
    /// On pages of its own.
    GuestAddress apart(std::uint64_t bytes) {
        const GuestAddress place = bench.ram.allocate(bytes, page_bytes);
        bench.ram.allocate(1, page_bytes);
        return place;
    }

    LogFile file;
    TestEvent notice;
    Bench bench;
};

}  // namespace

TEST_CASE("dirty marks: a frame for the guest, and its used ring", "[device][dirty_log]") {
    Logged<NetBench> logged(bench_features);
    NetBench& bench = logged.bench;
    bench.settle();
    logged.notice.take();
    const Pages before = logged.file.pages();
    const GuestAddress buffer = logged.apart(3 * page_bytes);
    // The header and the frame end on the second page of three.
    bench.receive.chain().piece({{buffer.value + 100}, 2 * page_bytes, true}).offer();
    REQUIRE(bench.wire.deliver(pattern(page_bytes)));
    bench.settle();
    REQUIRE(bench.receive.take_used());
    const auto used = bench.ram.guest(bench.receive.addresses().used);
    CHECK(logged.file.pages() ==
          joined(joined(before, pages_of(buffer, 2 * page_bytes)),
                 pages_of(used, RingParts::used_bytes(NetBench::ring_size))));
    CHECK(logged.notice.take() > 0);
}

TEST_CASE("dirty marks: a frame over several buffers marks each", "[device][dirty_log]") {
    Logged<NetBench> logged(bench_features);
    NetBench& bench = logged.bench;
    Pages buffers;
    for (int i = 0; i < 3; ++i) {
        const GuestAddress buffer = logged.apart(page_bytes);
        buffers = joined(buffers, pages_of(buffer, 1));
        bench.receive.chain().piece({buffer, 100, true}).offer();
    }
    const GuestAddress spare = logged.apart(page_bytes);
    bench.receive.chain().piece({spare, 100, true}).offer();
    REQUIRE(bench.wire.deliver(pattern(250)));
    bench.settle();
    const Pages marked = logged.file.pages();
    CHECK(std::includes(marked.begin(), marked.end(), buffers.begin(), buffers.end()));
    CHECK(marked.count(spare.value / page_bytes) == 0);
}

TEST_CASE("dirty marks: what the guest sends is only read", "[device][dirty_log]") {
    Logged<NetBench> logged(bench_features);
    NetBench& bench = logged.bench;
    const GuestAddress buffer = logged.apart(page_bytes);
    bench.transmit.chain().piece({buffer, 100, false}).offer();
    bench.kick(1);
    REQUIRE(bench.wire.sent.size() == 1);
    const auto used = bench.ram.guest(bench.transmit.addresses().used);
    const Pages marked = logged.file.pages();
    CHECK(marked.count(buffer.value / page_bytes) == 0);
    CHECK(marked.count(used.value / page_bytes) == 1);
}

TEST_CASE("dirty marks: a packed ring is written itself", "[device][dirty_log][packed]") {
    Logged<PackedBench> logged(packed_features);
    PackedBench& bench = logged.bench;
    const GuestAddress buffer = logged.apart(page_bytes);
    bench.receive.chain().piece({buffer, 100, true}).offer();
    REQUIRE(bench.wire.deliver(pattern(60)));
    bench.settle();
    REQUIRE(bench.receive.take_used());
    const Pages marked = logged.file.pages();
    CHECK(marked.count(buffer.value / page_bytes) == 1);
    CHECK(marked.count(bench.receive.ring_address().value / page_bytes) == 1);
    // Its event suppression structure, where the NIC says whether it wants kicks.
    const auto event = bench.ram.guest(bench.receive.addresses().used);
    CHECK(marked.count(event.value / page_bytes) == 1);
}

TEST_CASE("dirty marks: nothing before there is a log, nothing after", "[device][dirty_log]") {
    Logged<NetBench> logged(bench_features);
    NetBench& bench = logged.bench;
    must(bench.device->set_features(bench_features));
    bench.settle();
    const Pages before = logged.file.pages();
    const GuestAddress buffer = logged.apart(page_bytes);
    bench.receive.chain().piece({buffer, 100, true}).offer();
    REQUIRE(bench.wire.deliver(pattern(60)));
    bench.settle();
    CHECK(logged.file.pages() == before);
}

TEST_CASE("dirty marks: a log that is cut short breaks the queues",
          "[device][dirty_log][hostile]") {
    Logged<NetBench> logged(bench_features);
    NetBench& bench = logged.bench;
    logged.file.cut(0);
    for (int i = 0; i < 2; ++i) {
        bench.receive.chain().writable(100).offer();
        bench.wire.deliver(pattern(60));
        bench.settle();
    }
    // What is written now would be missing in the copy: better a guest that stands still.
    CHECK(bench.broken_by(0) == "memory_lost");
    CHECK(bench.receive_fds.error.take() == 1);
}
