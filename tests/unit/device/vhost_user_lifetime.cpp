// Front ends come, leave, and come back.

#include <catch2/catch_test_macros.hpp>

#include "tests/unit/device/back_end.h"

using namespace skbtrail::device;
using namespace skbtrail::device::test;

TEST_CASE("server: one front end at a time, the next when it has left", "[device][vhost_user]") {
    BackEnd back_end;
    FakeFrontEnd first = back_end.connect();
    FakeFrontEnd second = back_end.connect();
    CHECK(second.ended());
    CHECK(first.ask(Request::get_features).u64() != 0);
    SECTION("after it has left") {
        first.leave();
        FakeFrontEnd third = back_end.connect();
        CHECK(third.ask(Request::get_features).u64() != 0);
        CHECK(back_end.left == 1);
    }
    SECTION("also when both are noticed in one turn") {
        ::shutdown(first.fd(), SHUT_RDWR);
        FakeFrontEnd third = back_end.connect();
        CHECK(third.ask(Request::get_features).u64() != 0);
        CHECK(back_end.left == 1);
    }
}

TEST_CASE("server: many front ends, one after another, leave nothing behind",
          "[device][vhost_user]") {
    BackEnd back_end;
    const std::size_t before = open_descriptors();
    for (int i = 0; i < 50; ++i) {
        Guest guest;
        FakeFrontEnd front_end = back_end.connect();
        guest.plug_in(front_end);
        guest.receive.chain().writable(200).offer();
        CHECK(back_end.wire.deliver(pattern(60)));
        front_end.settle();
        CHECK(guest.receive.take_used());
    }
    back_end.loop.turn(std::chrono::milliseconds(0));
    CHECK(back_end.left == 50);
    CHECK(open_descriptors() == before);
}

TEST_CASE("server: what one front end configured ends with it", "[device][vhost_user]") {
    BackEnd back_end({.serve_config = true});
    std::vector<std::byte> first(ConfigSpace::size);
    must(back_end.device.read_config(0, first));
    {
        FakeFrontEnd front_end = back_end.connect();
        negotiate(front_end, usual_protocol | protocol_config);
        front_end.send_value(Request::net_set_mtu, std::uint64_t{1400});
        // A migration brings another address, another MTU, and a link that was down.
        std::vector<std::byte> brought = first;
        brought[5] ^= std::byte{1};
        brought[6] = std::byte{0};
        must(back_end.device.write_config(0, brought, true));
        std::vector<std::byte> now(ConfigSpace::size);
        must(back_end.device.read_config(0, now));
        CHECK(now != first);
        // Whether the cable is plugged in is for this side to say.
        CHECK(back_end.device.link_up());
    }
    back_end.loop.turn(std::chrono::milliseconds(0));
    std::vector<std::byte> later(ConfigSpace::size);
    must(back_end.device.read_config(0, later));
    CHECK(later == first);
}
