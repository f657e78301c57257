// Guest memory: which regions are taken, and where translations end.

#include <initializer_list>
#include <limits>

#include <catch2/catch_test_macros.hpp>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "device/memory/file_system.h"
#include "tests/unit/device/guest_ram.h"
#include "tests/unit/device/temporary_directory.h"

using namespace skbtrail::device;
using namespace skbtrail::device::test;

namespace {

constexpr std::uint64_t page = 4096;

UniqueFd file_of(std::uint64_t size) {
    UniqueFd fd(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    REQUIRE(::ftruncate(fd.get(), static_cast<off_t>(size)) == 0);
    return fd;
}

RegionDescription region(std::uint64_t guest, std::uint64_t size, std::uint64_t user,
                         std::uint64_t offset = 0) {
    return {GuestAddress{guest}, size, UserAddress{user}, offset};
}

MemoryErrorKind why_not(const RegionDescription& description, const UniqueFd& fd) {
    const auto mapped = Region::map(description, fd);
    REQUIRE_FALSE(mapped);
    INFO(mapped.error().message);
    CHECK_FALSE(mapped.error().message.empty());
    return mapped.error().kind;
}

}  // namespace

TEST_CASE("memory: a region shows the bytes of its file", "[device][memory]") {
    const UniqueFd fd = file_of(4 * page);
    const auto bytes = pattern(16);
    REQUIRE(::pwrite(fd.get(), bytes.data(), bytes.size(), 2 * page + 8) == 16);
    const auto mapped = Region::map(region(0x1000, 2 * page, 0x7000, 2 * page), fd);
    REQUIRE(mapped);
    CHECK((*mapped)->bytes().size() == 2 * page);
    CHECK(std::memcmp((*mapped)->bytes().data() + 8, bytes.data(), bytes.size()) == 0);
    // And the other way.
    (*mapped)->bytes()[0] = std::byte{0x5a};
    char read_back = 0;
    REQUIRE(::pread(fd.get(), &read_back, 1, 2 * page) == 1);
    CHECK(read_back == 0x5a);
}

TEST_CASE("memory: an offset that is not of a page's start", "[device][memory]") {
    const UniqueFd fd = file_of(2 * page);
    const auto bytes = pattern(16);
    REQUIRE(::pwrite(fd.get(), bytes.data(), bytes.size(), 1000) == 16);
    const auto mapped = Region::map(region(0, page, 0, 1000), fd);
    REQUIRE(mapped);
    CHECK(std::memcmp((*mapped)->bytes().data(), bytes.data(), bytes.size()) == 0);
}

TEST_CASE("memory: regions that cannot be are refused with the cause", "[device][memory]") {
    constexpr std::uint64_t top = std::numeric_limits<std::uint64_t>::max();
    const UniqueFd fd = file_of(4 * page);
    CHECK(why_not(region(0, 0, 0), fd) == MemoryErrorKind::zero_size);
    CHECK(why_not(region(top - page + 2, page, 0), fd) == MemoryErrorKind::address_wraps);
    CHECK(why_not(region(0, page, top), fd) == MemoryErrorKind::address_wraps);
    CHECK(why_not(region(0, page, 0, top - 10), fd) == MemoryErrorKind::address_wraps);
    CHECK(why_not(region(0, top, 0), fd) == MemoryErrorKind::exceeds_file);
    CHECK(why_not(region(0, 4 * page + 1, 0), fd) == MemoryErrorKind::exceeds_file);
    CHECK(why_not(region(0, 4 * page, 0, 1), fd) == MemoryErrorKind::exceeds_file);
    CHECK(why_not(region(0, page, 0, 4 * page), fd) == MemoryErrorKind::exceeds_file);
    // The last byte that there is, and no more.
    CHECK(Region::map(region(0, 1, 0, 4 * page - 1), fd));

    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const UniqueFd reader(ends[0]);
    const UniqueFd writer(ends[1]);
    CHECK(why_not(region(0, page, 0), reader) == MemoryErrorKind::not_a_file);
    CHECK(why_not(region(0, page, 0), UniqueFd(::open("/dev/zero", O_RDWR | O_CLOEXEC))) ==
          MemoryErrorKind::not_a_file);
    CHECK(why_not(region(0, page, 0), UniqueFd()) == MemoryErrorKind::cannot_map);

    SECTION("a file that may only be read") {
        const UniqueFd read_only(
            ::open(("/proc/self/fd/" + std::to_string(fd.get())).c_str(), O_RDONLY | O_CLOEXEC));
        REQUIRE(read_only);
        CHECK(why_not(region(0, page, 0), read_only) == MemoryErrorKind::cannot_map);
    }
    SECTION("a file sealed against writing") {
        REQUIRE(::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_FUTURE_WRITE) == 0);
        CHECK(why_not(region(0, page, 0), fd) == MemoryErrorKind::cannot_map);
    }
}

TEST_CASE("memory: files on a disk are taken, those that others serve are not",
          "[device][memory]") {
    // UML keeps its memory in a file below TMPDIR.
    const TemporaryDirectory directory;
    const UniqueFd fd(::open((directory / "memory").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    REQUIRE(::ftruncate(fd.get(), page) == 0);
    CHECK(Region::map(region(0, page, 0), fd));

    CHECK(served_elsewhere(0x65735546) == "FUSE");
    CHECK(served_elsewhere(static_cast<std::int32_t>(0xff534d42)) == "CIFS");
    CHECK(served_elsewhere(0xff534d42) == "CIFS");
    CHECK(served_elsewhere(0x6969) == "NFS");
    CHECK(served_elsewhere(0x01021997) == "9P");
    // tmpfs, hugetlbfs, ext4, XFS, Btrfs, overlayfs
    for (const long local : std::initializer_list<long>{0x01021994, 0x958458f6, 0xef53, 0x58465342,
                                                        0x9123683e, 0x794c7630}) {
        CHECK(served_elsewhere(local).empty());
    }
}

TEST_CASE("memory: overlapping regions are refused, neighbours are not", "[device][memory]") {
    const UniqueFd fd = file_of(4 * page);
    const auto add = [&](const GuestMemory& memory, const RegionDescription& description) {
        return memory.with(must(Region::map(description, fd)));
    };
    const GuestMemory one = must(add({}, region(0x10000, page, 0x90000)));
    CHECK(add(one, region(0x10000, page, 0xa0000)).error().kind == MemoryErrorKind::overlaps);
    CHECK(add(one, region(0x10000 + page - 1, 1, 0xa0000)).error().kind ==
          MemoryErrorKind::overlaps);
    CHECK(add(one, region(0x10000 - page + 1, page, 0xa0000)).error().kind ==
          MemoryErrorKind::overlaps);
    CHECK(add(one, region(0x20000, page, 0x90000 + 1)).error().kind == MemoryErrorKind::overlaps);
    CHECK(add(one, region(0x10000 + page, page, 0x90000 + page)));
    CHECK(add(one, region(0x10000 - page, page, 0x90000 - page)));
    CHECK(one.regions().size() == 1);
}

TEST_CASE("memory: only the exact region is removed, the offset apart", "[device][memory]") {
    const UniqueFd fd = file_of(4 * page);
    const GuestMemory memory =
        must(GuestMemory().with(must(Region::map(region(0x1000, page, 0x9000, page), fd))));
    CHECK(memory.without(region(0x1000, page, 0x9001)).error().kind ==
          MemoryErrorKind::no_such_region);
    CHECK(memory.without(region(0x1001, page, 0x9000)).error().kind ==
          MemoryErrorKind::no_such_region);
    CHECK(memory.without(region(0x1000, page - 1, 0x9000)).error().kind ==
          MemoryErrorKind::no_such_region);
    const auto empty = memory.without(region(0x1000, page, 0x9000, 77));
    REQUIRE(empty);
    CHECK(empty->regions().empty());
}

TEST_CASE("memory: a guest has at most so many regions", "[device][memory]") {
    const UniqueFd fd = file_of(page);
    GuestMemory memory;
    for (std::uint64_t i = 0; i < GuestMemory::max_regions; ++i) {
        memory = must(memory.with(must(Region::map(region(i * page, page, i * page), fd))));
    }
    const std::uint64_t next = GuestMemory::max_regions * page;
    CHECK(memory.with(must(Region::map(region(next, page, next), fd))).error().kind ==
          MemoryErrorKind::too_many_regions);
}

TEST_CASE("memory: translation ends where the region does", "[device][memory]") {
    const UniqueFd fd = file_of(2 * page);
    // Two regions that touch in guest addresses, in the other order in the file; then a gap.
    const GuestMemory memory =
        must(must(GuestMemory().with(must(Region::map(region(0x10000, page, 0x90000, page), fd))))
                 .with(must(Region::map(region(0x10000 + page, page, 0xf0000, 0), fd))));
    const GuestAddress base{0x10000};
    const auto at = [&](std::uint64_t offset) { return GuestAddress{base.value + offset}; };

    CHECK(memory.whole(base, page)->size() == page);
    CHECK_FALSE(memory.whole(base, page + 1));
    CHECK_FALSE(memory.whole(base, 0));
    CHECK(memory.whole(at(page - 1), 1));
    CHECK_FALSE(memory.whole(at(page - 1), 2));
    CHECK(memory.covers(at(page - 1), 2));
    CHECK(memory.covers(base, 2 * page));
    CHECK_FALSE(memory.covers(base, 2 * page + 1));
    CHECK_FALSE(memory.covers(GuestAddress{base.value - 1}, 1));
    CHECK_FALSE(memory.covers(base, std::numeric_limits<std::uint64_t>::max()));
    CHECK_FALSE(memory.covers(GuestAddress{std::numeric_limits<std::uint64_t>::max()}, 2));
    CHECK(memory.contiguous(at(page - 4), 100).size() == 4);
    CHECK(memory.contiguous(at(2 * page), 1).empty());

    CHECK(memory.whole(UserAddress{0x90000}, page));
    CHECK_FALSE(memory.whole(UserAddress{0x90000}, page + 1));
    CHECK_FALSE(memory.whole(UserAddress{0x90000}, std::numeric_limits<std::uint64_t>::max()));
    CHECK_FALSE(memory.whole(UserAddress{0x90000 - 1}, 1));
    CHECK_FALSE(memory.whole(UserAddress{0x90000}, 0));

    const auto bytes = pattern(8);
    REQUIRE(::pwrite(fd.get(), bytes.data(), 4, 2 * page - 4) == 4);
    REQUIRE(::pwrite(fd.get(), bytes.data() + 4, 4, 0) == 4);
    std::vector<std::byte> read(8);
    REQUIRE(memory.read(at(page - 4), read));
    CHECK(read == bytes);
    CHECK_FALSE(memory.read(at(2 * page - 4), read));
}

TEST_CASE("memory: a file cut short under us is noticed and survived", "[device][memory]") {
    GuestRam ram;
    const auto memory = ram.mapped();
    const auto bytes = memory->regions().front()->bytes();
    bytes[5 * page] = std::byte{1};
    CHECK_FALSE(memory->lost());
    REQUIRE(::ftruncate(ram.fd().get(), static_cast<off_t>(page)) == 0);
    // Reading and writing where no file is any more: SIGBUS, if nobody cared.
    std::vector<std::byte> read(page);
    CHECK(memory->read(GuestAddress{GuestRam::default_base + 5 * page}, read));
    CHECK(read == std::vector<std::byte>(page));
    bytes[7 * page] = std::byte{2};
    CHECK(memory->lost());
    // Another guest is not concerned.
    GuestRam other;
    CHECK_FALSE(other.mapped()->lost());
}

TEST_CASE("memory: a snapshot outlives the table that it came from", "[device][memory]") {
    const UniqueFd fd = file_of(page);
    GuestMemory table = must(GuestMemory().with(must(Region::map(region(0, page, 0), fd))));
    const auto snapshot = std::make_shared<const GuestMemory>(table);
    table = must(table.without(region(0, page, 0)));
    CHECK_FALSE(table.covers(GuestAddress{0}, 1));
    REQUIRE(snapshot->covers(GuestAddress{0}, page));
    snapshot->whole(GuestAddress{0}, page)->front() = std::byte{1};
}
