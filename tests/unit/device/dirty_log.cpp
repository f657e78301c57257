// The log of written pages: which bits, and what a front end can do wrong with it.

#include "device/memory/dirty_log.h"

#include <array>
#include <atomic>
#include <limits>
#include <stdexcept>
#include <thread>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/device/guest_ram.h"
#include "tests/unit/device/log_file.h"

using namespace skbtrail::device;
using namespace skbtrail::device::test;

namespace {

constexpr std::uint64_t log_page = DirtyLog::page_bytes;

}  // namespace

TEST_CASE("dirty log: a bit for each page that is touched", "[device][dirty_log]") {
    const LogFile file(4096);
    const auto log = must(DirtyLog::map(file.fd(), 0, 8));
    const auto mark = [&](std::uint64_t address, std::uint64_t length) {
        log->mark(GuestAddress{address}, length);
    };
    mark(0, 0);
    CHECK(file.bytes(3) == std::vector<unsigned>{0, 0, 0});
    CHECK_FALSE(log->take_modified());
    mark(0, 1);
    CHECK(file.bytes(3) == std::vector<unsigned>{1, 0, 0});
    mark(2 * log_page - 1, 2);  // the last byte of page 1 and the first of page 2
    CHECK(file.bytes(3) == std::vector<unsigned>{7, 0, 0});
    mark(7 * log_page, 2 * log_page);
    CHECK(file.bytes(3) == std::vector<unsigned>{0x87, 1, 0});
    mark(9 * log_page + 5, 14 * log_page);  // over whole bytes
    CHECK(file.bytes(4) == std::vector<unsigned>{0x87, 0xff, 0xff, 0});
    CHECK(log->take_modified());
    CHECK_FALSE(log->take_modified());
    CHECK(log->pages_past_end() == 0);
}

TEST_CASE("dirty log: begins where its offset says", "[device][dirty_log]") {
    const LogFile file(3 * 4096);
    const auto log = must(DirtyLog::map(file.fd(), 4097, 4096));
    log->mark(GuestAddress{log_page}, 1);
    CHECK(file.bytes(3, 4096) == std::vector<unsigned>{0, 2, 0});
}

TEST_CASE("dirty log: what it covers", "[device][dirty_log]") {
    const LogFile file(4096);
    const auto log = must(DirtyLog::map(file.fd(), 0, 2));  // 16 pages
    CHECK(log->covers(GuestAddress{0}, 16 * log_page));
    CHECK_FALSE(log->covers(GuestAddress{0}, 16 * log_page + 1));
    CHECK(log->covers(GuestAddress{16 * log_page - 1}, 1));
    CHECK_FALSE(log->covers(GuestAddress{16 * log_page}, 1));
    CHECK(log->covers(GuestAddress{16 * log_page}, 0));
    constexpr auto top = std::numeric_limits<std::uint64_t>::max();
    CHECK_FALSE(log->covers(GuestAddress{1}, top));
    CHECK_FALSE(log->covers(GuestAddress{2}, top));  // wraps around
}

TEST_CASE("dirty log: bits past its end are counted and not written", "[device][dirty_log]") {
    const LogFile file(4096);
    const auto log = must(DirtyLog::map(file.fd(), 0, 1));  // 8 pages
    log->mark(GuestAddress{7 * log_page}, 3 * log_page);
    CHECK(file.bytes(2) == std::vector<unsigned>{0x80, 0});
    CHECK(log->pages_past_end() == 2);
    log->mark(GuestAddress{100 * log_page}, 1);
    CHECK(log->pages_past_end() == 3);
    constexpr auto top = std::numeric_limits<std::uint64_t>::max();
    log->mark(GuestAddress{top - 10}, 100);  // would wrap around
    CHECK(log->pages_past_end() == 4);
    CHECK(file.bytes(2) == std::vector<unsigned>{0x80, 0});
}

TEST_CASE("dirty log: refused", "[device][dirty_log]") {
    const LogFile file(4096);
    constexpr auto top = std::numeric_limits<std::uint64_t>::max();
    CHECK_FALSE(DirtyLog::map(file.fd(), 0, 0));
    CHECK_FALSE(DirtyLog::map(file.fd(), 0, 4097));
    CHECK_FALSE(DirtyLog::map(file.fd(), 4096, 1));
    CHECK_FALSE(DirtyLog::map(file.fd(), top, 2));
    CHECK_FALSE(DirtyLog::map(file.fd(), 1, top));
    CHECK(DirtyLog::map(file.fd(), 1, 4095));

    std::array<int, 2> ends{};
    REQUIRE(::pipe(ends.data()) == 0);
    const UniqueFd reader(ends[0]);
    const UniqueFd writer(ends[1]);
    const auto pipe = DirtyLog::map(writer, 0, 8);
    REQUIRE_FALSE(pipe);
    CHECK(pipe.error().message.find("no file in memory") != std::string::npos);
    CHECK_FALSE(DirtyLog::map(UniqueFd(), 0, 8));
}

TEST_CASE("dirty log: a file that is cut short later", "[device][dirty_log]") {
    const LogFile file(4096);
    const auto log = must(DirtyLog::map(file.fd(), 0, 4096));
    CHECK_FALSE(log->lost());
    REQUIRE(::ftruncate(file.fd().get(), 0) == 0);
    log->mark(GuestAddress{0}, log_page);
    CHECK(log->lost());
}

TEST_CASE("dirty log: a mark disturbs no bit that the front end changes meanwhile",
          "[device][dirty_log]") {
    const LogFile file(4096);
    const auto log = must(DirtyLog::map(file.fd(), 0, 1));
    void* const base =
        ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file.fd().get(), 0);
    REQUIRE(base != MAP_FAILED);
    const std::atomic_ref<std::uint8_t> bits(*static_cast<std::uint8_t*>(base));
    // Page 1 is the front end's, which alone sets and takes away its bit; page 0 is marked by us.
    std::atomic<bool> done = false;
    unsigned disturbed = 0;
    std::thread front_end([&] {
        while (!done) {
            bits.fetch_or(2);
            disturbed += (bits.load() & 2U) == 0 ? 1U : 0U;
            bits.fetch_and(0xfd);
            disturbed += (bits.load() & 2U) != 0 ? 1U : 0U;
        }
    });
    unsigned missing = 0;
    for (unsigned round = 0; round < 50000; ++round) {
        log->mark(GuestAddress{0}, 1);
        missing += (bits.load() & 1U) == 0 ? 1U : 0U;
        bits.fetch_and(0xfe);
    }
    done = true;
    front_end.join();
    ::munmap(base, 4096);
    CHECK(missing == 0);
    CHECK(disturbed == 0);
}
