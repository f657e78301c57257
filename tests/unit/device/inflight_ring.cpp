// Rings that note which chains are out, and those that come after a device that was killed.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device/virtqueue/inflight_area.h"
#include "device/virtqueue/inflight_layout.h"
#include "device/virtqueue/ring.h"
#include "tests/unit/device/fake_driver.h"
#include "tests/unit/device/fake_packed_driver.h"

using namespace skbtrail::device;
using namespace skbtrail::device::test;

namespace {

/// A ring of either format, its driver, and an area with room for two queues, of which it is the
/// second.
template <typename Driver>
struct Tracked {
    static constexpr bool packed = std::is_same_v<Driver, FakePackedDriver>;
    static constexpr std::uint16_t size = 8;
    static constexpr unsigned queue = 1;

    Tracked() {
        auto made = must(InflightArea::create(2, size, packed));
        description = made.second;
        file = std::move(made.first);
        mapping = static_cast<std::byte*>(
            ::mmap(nullptr, description.size, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0));
    }
    Tracked(const Tracked&) = delete;
    Tracked& operator=(const Tracked&) = delete;
    ~Tracked() { ::munmap(mapping, description.size); }

    std::shared_ptr<const InflightArea> area() const {
        return must(InflightArea::map(file, description));
    }
    /// As a device does that starts: what it is told of the base is wrong after the first.
    tl::expected<std::pair<Ring, std::size_t>, RingFault> start(std::uint32_t ring_size = size) {
        const RingFeatures features{.indirect = true, .packed = packed};
        Ring ring = must(Ring::open(ram.mapped(), driver.addresses(), ring_size, features,
                                    Ring::initial_base(features)));
        auto left = ring.track(area(), queue);
        if (!left) {
            return tl::make_unexpected(left.error());
        }
        return std::pair(std::move(ring), *left);
    }
    std::byte* part() const { return mapping + description.size / 2 * queue; }
    SplitInflightHeader& split() const { return *reinterpret_cast<SplitInflightHeader*>(part()); }
    SplitInflightEntry& split_entry(std::size_t i) const {
        return reinterpret_cast<SplitInflightEntry*>(part() + sizeof(SplitInflightHeader))[i];
    }
    PackedInflightHeader& packed_header() const {
        return *reinterpret_cast<PackedInflightHeader*>(part());
    }
    PackedInflightEntry& packed_entry(std::size_t i) const {
        return reinterpret_cast<PackedInflightEntry*>(part() + sizeof(PackedInflightHeader))[i];
    }
    std::uint16_t offer() { return driver.chain().readable(pattern(10)).offer().head; }

    GuestRam ram;
    Driver driver{ram, size};
    InflightDescription description;
    UniqueFd file;
    std::byte* mapping = nullptr;
};

std::vector<Chain> take(Ring& ring, std::size_t most) {
    std::vector<Chain> chains(most);
    chains.resize(must(ring.take_burst(chains)));
    return chains;
}

std::vector<std::uint16_t> heads(std::span<const Chain> chains) {
    std::vector<std::uint16_t> all;
    for (const Chain& chain : chains) {
        all.push_back(chain.head());
    }
    return all;
}

}  // namespace

TEMPLATE_TEST_CASE("inflight: chains that were out are taken again, first taken first, once",
                   "[device][ring][inflight]", FakeDriver, FakePackedDriver) {
    Tracked<TestType> bench;
    std::vector<std::uint16_t> offered;
    {
        auto [ring, left] = must(bench.start());
        CHECK(left == 0);
        for (int i = 0; i < 6; ++i) {
            offered.push_back(bench.offer());
        }
        auto chains = take(ring, 5);
        REQUIRE(heads(chains) == std::vector(offered.begin(), offered.begin() + 5));
        ring.put_back(std::move(chains[4]));
        ring.put_used(std::move(chains[1]), 0);
        ring.put_used(std::move(chains[3]), 0);
        ring.publish();
        CHECK(bench.driver.take_used()->head == offered[1]);
        CHECK(bench.driver.take_used()->head == offered[3]);
        ring.put_used(std::move(chains[0]), 0);  // and killed before the driver sees it
    }
    CHECK_FALSE(bench.driver.take_used());
    auto [ring, left] = must(bench.start());
    CHECK(left == 2);
    CHECK_FALSE(ring.looks_empty());
    auto again = take(ring, 1);
    REQUIRE(heads(again) == std::vector{offered[0]});
    CHECK(again.front().readable_bytes() == 10);
    ring.put_back(std::move(again.front()));  // as who has too little room for a frame
    again = take(ring, 8);
    REQUIRE(heads(again) == std::vector{offered[0], offered[2]});
    auto fresh = take(ring, 8);
    REQUIRE(heads(fresh) == std::vector{offered[4], offered[5]});
    CHECK(take(ring, 8).empty());
    std::vector<std::uint16_t> returned;
    for (auto* const chains : {&fresh, &again}) {
        for (Chain& chain : *chains) {
            ring.put_used(std::move(chain), 0);
        }
        ring.publish();
        while (const auto used = bench.driver.take_used()) {
            returned.push_back(static_cast<std::uint16_t>(used->head));
        }
    }
    CHECK(returned == std::vector{offered[4], offered[5], offered[0], offered[2]});

    SECTION("and nothing is left to a third device") {
        auto [third, nothing] = must(bench.start());
        CHECK(nothing == 0);
        const std::uint16_t next = bench.offer();
        CHECK(heads(take(third, 8)) == std::vector{next});
    }
    SECTION("nor when its driver was reset") {
        bench.offer();
        CHECK(take(ring, 1).size() == 1);
        bench.area()->forget(bench.packed);
        CHECK_FALSE(bench.area()->in_use(bench.queue, bench.packed));
    }
}

TEMPLATE_TEST_CASE("inflight: notes go on when the ring moves to other memory",
                   "[device][ring][inflight]", FakeDriver, FakePackedDriver) {
    Tracked<TestType> bench;
    const std::uint16_t first = bench.offer();
    {
        auto [ring, none] = must(bench.start());
        CHECK(take(ring, 1).size() == 1);
        const RingFeatures features{.indirect = true, .packed = bench.packed};
        Ring moved = must(Ring::open(bench.ram.mapped(), bench.driver.addresses(), bench.size,
                                     features, ring.base()));
        moved.follow(ring);
        const std::uint16_t second = bench.offer();
        CHECK(heads(take(moved, 8)) == std::vector{second});
    }
    auto [ring, left] = must(bench.start());
    CHECK(left == 2);
    CHECK(take(ring, 8).front().head() == first);
}

TEST_CASE("inflight: a split ring's part, field by field", "[device][ring][inflight]") {
    Tracked<FakeDriver> bench;
    CHECK(bench.description.size == 2 * 192);  // 16 + 8 * 16 bytes, aligned to 64
    CHECK(bench.split().version == 0);
    auto [ring, none] = must(bench.start());
    CHECK(bench.split().version == 1);
    CHECK(bench.split().desc_num == 8);
    CHECK(bench.split().features == 0);
    for (int i = 0; i < 3; ++i) {
        bench.offer();
    }
    auto chains = take(ring, 3);
    for (std::size_t i = 0; i < 3; ++i) {
        CHECK(bench.split_entry(i).inflight == 1);
        CHECK(bench.split_entry(i).counter == i);
    }
    CHECK(bench.split_entry(3).inflight == 0);
    ring.put_used(std::move(chains[2]), 0);
    ring.put_used(std::move(chains[0]), 0);
    CHECK(bench.split().last_batch_head == 0);
    CHECK(bench.split_entry(0).next == 2);
    CHECK(bench.split_entry(0).inflight == 1);
    CHECK(bench.split().used_idx == 0);
    ring.publish();
    CHECK(bench.split_entry(0).inflight == 0);
    CHECK(bench.split_entry(1).inflight == 1);
    CHECK(bench.split_entry(2).inflight == 0);
    CHECK(bench.split().used_idx == 2);

    SECTION("killed between showing a batch and noting it") {
        bench.split().used_idx = 0;
        bench.split_entry(0).inflight = 1;
        bench.split_entry(2).inflight = 1;
        auto [next, left] = must(bench.start());
        CHECK(left == 1);
        CHECK(heads(take(next, 8)) == std::vector<std::uint16_t>{1});
        CHECK(bench.split().used_idx == 2);
    }
}

TEST_CASE("inflight: a packed ring's part, field by field", "[device][ring][inflight][packed]") {
    Tracked<FakePackedDriver> bench;
    CHECK(bench.description.size == 2 * 320);  // 32 + 8 * 32 bytes, aligned to 64
    auto [ring, none] = must(bench.start());
    PackedInflightHeader& header = bench.packed_header();
    CHECK(header.version == 1);
    CHECK(header.desc_num == 8);
    CHECK(header.used_wrap_counter == 1);
    CHECK(header.old_used_wrap_counter == 1);
    CHECK(bench.packed_entry(7).next == 8);
    const auto offered = bench.driver.chain().readable(pattern(10)).readable(pattern(20)).offer();
    bench.offer();
    auto chains = take(ring, 2);
    CHECK(bench.packed_entry(0).inflight == 1);
    CHECK(bench.packed_entry(0).num == 2);
    CHECK(bench.packed_entry(0).last == 1);
    CHECK(bench.packed_entry(0).counter == 0);
    CHECK(bench.packed_entry(0).addr == offered.pieces[0].address.value);
    CHECK(bench.packed_entry(1).len == 20);
    CHECK(bench.packed_entry(1).id == offered.head);
    CHECK((bench.packed_entry(0).flags & descriptor_next) != 0);
    CHECK(bench.packed_entry(2).inflight == 1);
    CHECK(bench.packed_entry(2).counter == 1);
    CHECK(header.free_head == 3);
    CHECK(header.old_free_head == 3);
    ring.put_used(std::move(chains[0]), 0);
    CHECK(header.used_idx == 0);
    ring.publish();
    CHECK(bench.packed_entry(0).inflight == 0);
    CHECK(bench.packed_entry(1).next == 3);
    CHECK(header.free_head == 0);
    CHECK(header.old_free_head == 0);
    CHECK(header.used_idx == 2);
    CHECK(header.old_used_idx == 2);

    SECTION("killed between showing a batch and noting it") {
        header.old_used_idx = 0;
        header.old_free_head = 3;
        bench.packed_entry(0).inflight = 1;
        auto [next, left] = must(bench.start());
        CHECK(left == 1);
        CHECK(header.old_used_idx == 2);
        CHECK(heads(take(next, 8)).size() == 1);
    }
    SECTION("killed before the driver saw it") {
        ring.put_used(std::move(chains[1]), 0);
        // All steps of a publication but the store that shows it.
        header.used_idx = 3;
        header.free_head = 2;
        auto [next, left] = must(bench.start());
        CHECK(left == 1);
        CHECK(header.used_idx == 2);
        CHECK(header.free_head == 0);
    }
}

TEST_CASE("inflight: a batch that was half written into a packed ring is undone there too",
          "[device][ring][inflight][packed]") {
    Tracked<FakePackedDriver> bench;
    std::vector<std::uint16_t> offered;
    {
        auto [ring, none] = must(bench.start());
        for (int i = 0; i < 3; ++i) {
            offered.push_back(bench.offer());
        }
        auto chains = take(ring, 3);
        // The second and third are in the ring, the first, which shows them, is not.
        for (Chain& chain : chains) {
            ring.put_used(std::move(chain), 0);
        }
    }
    CHECK_FALSE(bench.driver.take_used());
    auto [ring, left] = must(bench.start());
    CHECK(left == 3);
    auto chains = take(ring, 3);
    CHECK(heads(chains) == offered);
    ring.put_used(std::move(chains[0]), 0);
    ring.publish();
    CHECK(bench.driver.take_used()->head == offered[0]);
    CHECK_FALSE(bench.driver.take_used());  // what stood there before
}

namespace {

/// Takes and returns chains in any order until it is killed, or until `finish`, when it returns
/// all.
template <typename Driver>
[[noreturn]] void work_until_killed(Tracked<Driver>& bench, const std::atomic<int>& finish,
                                    unsigned seed) {
    auto started = bench.start();
    if (!started) {
        std::fprintf(stderr, "%s\n", started.error().message.c_str());
        ::_exit(1);
    }
    Ring ring = std::move(started->first);
    std::minstd_rand random(seed);
    std::vector<Chain> out;
    while (true) {
        const bool last = finish.load() != 0;
        std::vector<Chain> burst(1 + random() % 3);
        const auto taken = ring.take_burst(burst);
        if (!taken) {
            std::fprintf(stderr, "%s\n", taken.error().message.c_str());
            ::_exit(1);
        }
        for (std::size_t i = 0; i < *taken; ++i) {
            out.push_back(std::move(burst[i]));
        }
        if (*taken > 1 && random() % 4 == 0) {
            ring.put_back(std::move(out.back()));
            out.pop_back();
        }
        while (!out.empty() && (last || random() % 2 == 0)) {
            const auto which = out.begin() + static_cast<std::ptrdiff_t>(random() % out.size());
            ring.put_used(std::move(*which), 0);
            out.erase(which);
        }
        ring.publish();
        if (last && *taken == 0 && out.empty()) {
            ::_exit(0);
        }
    }
}

}  // namespace

TEMPLATE_TEST_CASE("inflight: killed again and again, every chain comes back exactly once",
                   "[device][ring][inflight]", FakeDriver, FakePackedDriver) {
    Tracked<TestType> bench;
    const GuestAddress buffer = bench.ram.allocate(10);
    auto* const finish = static_cast<std::atomic<int>*>(::mmap(nullptr, sizeof(std::atomic<int>),
                                                               PROT_READ | PROT_WRITE,
                                                               MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    std::set<std::uint32_t> out;
    std::size_t places = 0;
    std::size_t offered = 0;
    std::size_t returned = 0;
    std::minstd_rand random(1);
    std::vector<std::size_t> lengths(bench.size);
    const auto drive = [&](bool offers) {
        while (const auto used = bench.driver.take_used()) {
            REQUIRE(out.erase(used->head) == 1);
            places -= lengths[used->head];
            ++returned;
        }
        while (offers && places + 2 <= bench.size) {
            const std::size_t length = 1 + random() % 2;
            auto chain = bench.driver.chain();
            for (std::size_t i = 0; i < length; ++i) {
                chain.piece({buffer, 10, false});
            }
            const std::uint16_t head = chain.offer().head;
            REQUIRE(out.insert(head).second);
            lengths[head] = length;
            places += length;
            ++offered;
        }
    };
    for (unsigned life = 0; life < 150; ++life) {
        const pid_t child = ::fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            work_until_killed(bench, *finish, life + 1);
        }
        const auto end =
            std::chrono::steady_clock::now() + std::chrono::microseconds(200 + random() % 3000);
        while (std::chrono::steady_clock::now() < end) {
            drive(true);
        }
        ::kill(child, SIGKILL);
        int status = 0;
        REQUIRE(::waitpid(child, &status, 0) == child);
        REQUIRE(WIFSIGNALED(status));  // it has not given up by itself
    }
    finish->store(1);
    const pid_t child = ::fork();
    if (child == 0) {
        work_until_killed(bench, *finish, 0);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
    drive(false);
    CHECK(out.empty());
    CHECK(returned == offered);
    CHECK(offered > 20);  // few on a busy machine, but something was tried
    ::munmap(finish, sizeof(std::atomic<int>));
}

TEMPLATE_TEST_CASE("inflight: lies about what is in flight break the ring, and no more",
                   "[device][ring][inflight][hostile]", FakeDriver, FakePackedDriver) {
    Tracked<TestType> bench;
    {
        auto [ring, none] = must(bench.start());
        bench.offer();
        bench.offer();
        CHECK(take(ring, 2).size() == 2);
    }
    const auto refused = [&](std::uint32_t ring_size = Tracked<TestType>::size) {
        const auto started = bench.start(ring_size);
        return !started && started.error().kind == RingFaultKind::bad_inflight;
    };
    SECTION("an unknown version") {
        bench.split().version = 2;
        CHECK(refused());
    }
    SECTION("features that nobody knows") {
        bench.split().features = 1;
        CHECK(refused());
    }
    SECTION("another number of descriptors") {
        bench.split().desc_num = 16;
        CHECK(refused());
        bench.split().desc_num = 0;
        CHECK(refused());
    }
    SECTION("for a larger ring than the area has room for") {
        CHECK(refused(16));
    }
    if constexpr (Tracked<TestType>::packed) {
        SECTION("places that the ring does not have") {
            bench.packed_header().old_used_idx = 8;
            CHECK(refused());
        }
        SECTION("free entries in a circle") {
            bench.packed_entry(7).next = 3;
            CHECK(refused());
        }
        SECTION("a chain in a circle") {
            bench.packed_entry(0).num = 3;
            bench.packed_entry(0).next = 0;
            CHECK(refused());
        }
        SECTION("a chain that is another's") {
            bench.packed_entry(0).num = 2;
            bench.packed_entry(0).next = 1;
            CHECK(refused());
        }
        SECTION("a chain that leaves the area") {
            bench.packed_entry(0).num = 2;
            bench.packed_entry(0).next = 0xffff;
            CHECK(refused());
        }
        SECTION("a chain of nothing, or longer than the ring") {
            bench.packed_entry(0).num = 0;
            CHECK(refused());
            bench.packed_entry(0).num = 9;
            CHECK(refused());
        }
        SECTION("a buffer that is not the guest's") {
            bench.packed_entry(0).addr = 0xfffffffffffff000;
            auto started = bench.start();
            REQUIRE(started);
            std::vector<Chain> chains(2);
            const auto taken = started->first.take_burst(chains);
            REQUIRE_FALSE(taken);
            CHECK(taken.error().kind == RingFaultKind::buffer_unmapped);
        }
    } else {
        SECTION("a last batch that the ring cannot have had") {
            bench.split().used_idx = 100;
            CHECK(refused());
        }
        SECTION("a last batch of descriptors that are none") {
            bench.split().used_idx = 0xffff;
            bench.split().last_batch_head = 8;
            CHECK(refused());
        }
        SECTION("more in flight than were offered") {
            for (std::size_t i = 0; i < 8; ++i) {
                bench.split_entry(i).inflight = 1;
                bench.split_entry(i).counter = i;
            }
            auto started = bench.start();
            REQUIRE(started);
            std::vector<Chain> chains(8);
            // Those that were never laid out are no chains.
            CHECK(must(started->first.take_burst(chains)) == 2);
            CHECK_FALSE(started->first.take_burst(chains));
        }
    }
}

TEST_CASE("inflight: areas that cannot be", "[device][ring][inflight][hostile]") {
    auto [file, good] = must(InflightArea::create(2, 8, false));
    CHECK(InflightArea::map(file, good));
    struct Lie {
        const char* what;
        InflightDescription description;
    };
    for (const Lie& lie : {
             Lie{"no queues", {good.size, 0, 0, 8}},
             Lie{"more queues than there are numbers", {good.size, 0, 257, 8}},
             Lie{"queues of no descriptors", {good.size, 0, 2, 0}},
             Lie{"queues longer than rings can be", {good.size, 0, 2, 40000}},
             Lie{"more queues than have room", {good.size, 0, 3, 8}},
             Lie{"longer queues than have room", {good.size, 0, 2, 64}},
             Lie{"no bytes", {0, 0, 2, 8}},
             Lie{"one byte too few", {good.size - 1, 0, 2, 8}},
             Lie{"more than its file", {good.size + 4096, 0, 2, 8}},
             Lie{"past the end of its file", {good.size, 4096, 2, 8}},
             Lie{"an offset that is not aligned", {good.size, 4, 2, 8}},
             Lie{"a size that wraps", {~std::uint64_t{0}, 8, 2, 8}},
             Lie{"an offset that wraps", {good.size, ~std::uint64_t{7}, 2, 8}},
         }) {
        INFO(lie.what);
        CHECK_FALSE(InflightArea::map(file, lie.description));
    }
    // Room in one format is none in the other.
    CHECK_FALSE(must(InflightArea::map(file, good))->part(1, true));
    CHECK_FALSE(InflightArea::create(0, 8, false));
    CHECK_FALSE(InflightArea::create(2, 0, false));
    CHECK_FALSE(InflightArea::create(2, 40000, true));
    // Ours cannot be cut short.
    CHECK(::ftruncate(file.get(), 0) != 0);
}
