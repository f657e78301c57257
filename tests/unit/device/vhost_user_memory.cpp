// Memory tables and slots.

#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/device/back_end.h"

using namespace skbtrail::device;
using namespace skbtrail::device::test;

TEST_CASE("server: memory that is refused leaves what was there", "[device][vhost_user]") {
    BackEnd back_end;
    Guest guest;
    FakeFrontEnd front_end = back_end.connect();
    guest.plug_in(front_end);
    auto table = memory_table(guest.ram);
    table[16] = std::byte{1};  // a size one byte too large
    const auto acknowledged = [&](const std::vector<std::byte>& payload) {
        front_end.send(Request::set_mem_table, payload, {guest.ram.fd().get()}, true);
        return front_end.receive()->u64();
    };
    CHECK(acknowledged(table) != 0);
    CHECK(back_end.state(1) == Virtqueue::State::running);
    guest.transmit.chain().readable(NetHeaderBytes{}).readable(pattern(60)).offer();
    guest.transmit_fds.kick.signal();
    front_end.settle();
    CHECK(back_end.wire.sent.size() == 1);

    SECTION("the same table again: the queues go on") {
        CHECK(acknowledged(memory_table(guest.ram)) == 0);
        CHECK(back_end.state(1) == Virtqueue::State::running);
        guest.transmit.chain().readable(NetHeaderBytes{}).readable(pattern(60)).offer();
        guest.transmit_fds.kick.signal();
        front_end.settle();
        CHECK(back_end.wire.sent.size() == 2);
    }
    SECTION("an empty table: the queues break, the connection lives") {
        front_end.send(Request::set_mem_table, std::vector<std::byte>(8), {}, true);
        CHECK(front_end.receive()->u64() == 0);
        CHECK(back_end.state(0) == Virtqueue::State::broken);
        CHECK(back_end.state(1) == Virtqueue::State::broken);
        CHECK(guest.transmit_fds.error.take() == 1);
        CHECK_FALSE(front_end.ended());
    }
}

TEST_CASE("server: memory by slots", "[device][vhost_user]") {
    BackEnd back_end;
    GuestRam ram({{0x100000, 0x100000}, {0x200000, 0x100000}, {0x300000, 0x100000}});
    FakeDriver driver(ram, 16);
    QueueEvents events;
    FakeFrontEnd front_end = back_end.connect();
    negotiate(front_end);
    const auto add = [&](std::size_t i) {
        return front_end.acknowledge(Request::add_mem_reg, single(ram.regions()[i]),
                                     {ram.fd().get()});
    };
    CHECK(add(0) == 0);
    CHECK(add(1) == 0);
    CHECK(add(1) != 0);  // there already
    CHECK(add(2) == 0);
    start_queue(front_end, 1, driver, events);
    CHECK(back_end.state(1) == Virtqueue::State::running);

    CHECK(front_end.acknowledge(Request::rem_mem_reg, single(ram.regions()[1])) == 0);
    CHECK(front_end.acknowledge(Request::rem_mem_reg, single(ram.regions()[1])) != 0);
    const std::size_t before = open_descriptors();
    CHECK(front_end.acknowledge(Request::rem_mem_reg, single(ram.regions()[2]), {ram.fd().get()}) ==
          0);
    CHECK(open_descriptors() == before);
    CHECK(back_end.state(1) == Virtqueue::State::running);
    CHECK(front_end.acknowledge(Request::rem_mem_reg, single(ram.regions()[0])) == 0);
    CHECK(back_end.state(1) == Virtqueue::State::broken);
}

TEST_CASE("server: as many slots as are promised", "[device][vhost_user]") {
    BackEnd back_end;
    FakeFrontEnd front_end = back_end.connect();
    negotiate(front_end);
    const auto slots = front_end.ask(Request::get_max_mem_slots).u64();
    const UniqueFd file(::memfd_create("slots", MFD_CLOEXEC));
    REQUIRE(::ftruncate(file.get(), 4096) == 0);
    for (std::uint64_t i = 0; i < slots; ++i) {
        CHECK(front_end.acknowledge(Request::add_mem_reg,
                                    SingleMemoryRegion{0, {i << 12, 4096, i << 12, 0}},
                                    {file.get()}) == 0);
    }
    CHECK(front_end.acknowledge(Request::add_mem_reg,
                                SingleMemoryRegion{0, {slots << 12, 4096, slots << 12, 0}},
                                {file.get()}) != 0);
}
