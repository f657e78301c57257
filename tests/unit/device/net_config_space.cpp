// The configuration space, field by field.

#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "device/net/config_space.h"
#include "tests/unit/device/guest_ram.h"

using namespace skbtrail::device;
using namespace skbtrail::device::test;

namespace {

std::vector<unsigned> read(const ConfigSpace& space, std::uint32_t offset, std::size_t size) {
    std::vector<std::byte> bytes(size);
    must(space.read(offset, bytes));
    std::vector<unsigned> numbers;
    for (const std::byte byte : bytes) {
        numbers.push_back(std::to_integer<unsigned>(byte));
    }
    return numbers;
}

}  // namespace

TEST_CASE("config space: where the fields are", "[device][config]") {
    ConfigSpace space;
    space.mac = {std::byte{2}, std::byte{0}, std::byte{0},
                 std::byte{0}, std::byte{1}, std::byte{9}};
    space.pairs = 0x0102;
    space.mtu = 9000;
    space.speed = 25000;
    CHECK(read(space, 0, 6) == std::vector<unsigned>{2, 0, 0, 0, 1, 9});
    CHECK(read(space, 6, 2) == std::vector<unsigned>{1, 0});
    CHECK(read(space, 8, 2) == std::vector<unsigned>{2, 1});
    CHECK(read(space, 10, 2) == std::vector<unsigned>{0x28, 0x23});
    CHECK(read(space, 12, 4) == std::vector<unsigned>{0xa8, 0x61, 0, 0});
    CHECK(read(space, 16, 1) == std::vector<unsigned>{1});  // full duplex
    CHECK(read(space, 17, 7) == std::vector<unsigned>(7));
    space.link_up = false;
    space.announce = true;
    CHECK(read(space, 6, 2) == std::vector<unsigned>{2, 0});
}

TEST_CASE("config space: reads outside of it", "[device][config][hostile]") {
    const ConfigSpace space;
    std::vector<std::byte> bytes = pattern(30);
    CHECK(space.read(24, std::span(bytes).first(0)));
    CHECK_FALSE(space.read(24, std::span(bytes).first(1)));
    CHECK_FALSE(space.read(0, std::span(bytes).first(25)));
    CHECK_FALSE(space.read(0xffffffff, std::span(bytes).first(2)));
    CHECK(bytes == pattern(30));
}

TEST_CASE("config space: what a migration brings", "[device][config]") {
    ConfigSpace space;
    ConfigSpace source;
    source.mac = {std::byte{2}, std::byte{1}};
    source.link_up = false;
    source.announce = true;
    source.mtu = 1400;
    source.pairs = 7;
    source.speed = 1;
    std::vector<std::byte> state(ConfigSpace::size);
    must(source.read(0, state));
    must(space.restore(0, state));
    CHECK(space.mac == source.mac);
    CHECK(space.announce);
    CHECK(space.mtu == 1400);
    // Ours, not the source's.
    CHECK(space.link_up);
    CHECK(space.pairs == 1);
    CHECK(space.speed == 10000);

    // All or nothing.
    const std::vector<std::byte> no_mtu(2);
    CHECK_FALSE(space.restore(10, no_mtu));
    CHECK(space.mtu == 1400);
    CHECK_FALSE(space.restore(20, std::span(state).first(5)));
    CHECK_FALSE(space.restore(0xffffffff, std::span(state).first(1)));
}
