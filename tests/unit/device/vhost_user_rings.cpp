// Rings through messages: started, stopped, gone on with.

#include <catch2/catch_test_macros.hpp>

#include "tests/unit/device/back_end.h"

using namespace skbtrail::device;
using namespace skbtrail::device::test;

TEST_CASE("server: a guest is served as QEMU does it, and leaves", "[device][vhost_user]") {
    BackEnd back_end;
    const std::size_t before = open_descriptors();
    {
        Guest guest;
        FakeFrontEnd front_end = back_end.connect();
        // QEMU enables before it negotiates, and gives call descriptors twice.
        front_end.send_value(Request::set_vring_enable, VringState{0, 1});
        front_end.send_value(Request::set_vring_enable, VringState{1, 1});
        front_end.send_value(Request::set_vring_call, std::uint64_t{0},
                             {guest.receive_fds.call.fd()});
        guest.plug_in(front_end);
        CHECK(back_end.state(0) == Virtqueue::State::running);
        CHECK(back_end.state(1) == Virtqueue::State::running);

        guest.receive.chain().writable(2000).offer();
        guest.transmit.chain().readable(NetHeaderBytes{}).readable(pattern(60)).offer();
        back_end.wire.on_transmit = [&](const Frame& frame) {
            back_end.wire.deliver({frame.bytes.begin(), frame.bytes.end()});
        };
        guest.transmit_fds.kick.signal();
        front_end.settle();
        CHECK(guest.transmit.take_used());
        const auto used = guest.receive.take_used();
        REQUIRE(used);
        CHECK(used->length == 72);
        CHECK(guest.receive_fds.call.take() >= 1);
        CHECK(guest.transmit_fds.call.take() >= 1);

        const auto base = front_end.ask_value(Request::get_vring_base, VringState{1, 0});
        CHECK(read_payload<VringState>(base.payload).index == 1);
        CHECK(read_payload<VringState>(base.payload).num == 1);
        CHECK(back_end.state(1) == Virtqueue::State::stopped);
        front_end.leave();
    }
    CHECK(back_end.left == 1);
    CHECK(back_end.wire.guest_left == 1);
    CHECK(back_end.state(0) == Virtqueue::State::stopped);
    CHECK(open_descriptors() == before);
}

TEST_CASE("server: a ring goes on where it stopped", "[device][vhost_user]") {
    BackEnd back_end;
    Guest guest;
    FakeFrontEnd front_end = back_end.connect();
    guest.plug_in(front_end);
    const auto send_one = [&](unsigned seed) {
        guest.transmit.chain().readable(NetHeaderBytes{}).readable(pattern(60, seed)).offer();
        guest.transmit_fds.kick.signal();
        front_end.settle();
    };
    send_one(1);
    send_one(2);
    const auto base = read_payload<VringState>(
        front_end.ask_value(Request::get_vring_base, VringState{1, 0}).payload);
    CHECK(base.num == 2);
    send_one(3);  // nobody looks
    CHECK(back_end.wire.sent.size() == 2);
    front_end.send_value(Request::set_vring_base, base);
    front_end.send_value(Request::set_vring_kick, std::uint64_t{1}, {guest.transmit_fds.kick.fd()});
    front_end.settle();
    REQUIRE(back_end.wire.sent.size() == 3);
    CHECK(back_end.wire.sent[2].bytes == pattern(60, 3));

    SECTION("and after a front end that knows less than the ring") {
        // As after a crash of the back end: QEMU gives an index that nobody confirmed.
        front_end.leave();
        FakeFrontEnd again = back_end.connect();
        guest.plug_in(again);  // base 0
        send_one(4);
        REQUIRE(back_end.wire.sent.size() == 4);
        CHECK(back_end.wire.sent[3].bytes == pattern(60, 4));
    }
}

TEST_CASE("server: a running ring is not changed under its driver", "[device][vhost_user]") {
    BackEnd back_end;
    Guest guest;
    FakeFrontEnd front_end = back_end.connect();
    guest.plug_in(front_end);
    CHECK(front_end.acknowledge(Request::set_vring_num, VringState{1, 8}) != 0);
    CHECK(front_end.acknowledge(Request::set_vring_base, VringState{1, 3}) != 0);
    auto address = ring_address(1, guest.transmit.addresses());
    CHECK(front_end.acknowledge(Request::set_vring_addr, address) == 0);  // the same again
    address.used += 16;
    CHECK(front_end.acknowledge(Request::set_vring_addr, address) != 0);
    CHECK(front_end.acknowledge(Request::set_features, feature_version_1 | protocol_features_bit) !=
          0);
    CHECK(front_end.acknowledge(Request::set_features, bench_features | protocol_features_bit) ==
          0);
    CHECK(back_end.state(1) == Virtqueue::State::running);
}

TEST_CASE("server: rings without descriptors are polled, and call nobody", "[device][vhost_user]") {
    BackEnd back_end({.serve_config = true});
    Guest guest;
    FakeDriver control(guest.ram, 16);
    constexpr std::uint64_t no_fd = 0x100;
    FakeFrontEnd front_end = back_end.connect();
    negotiate(front_end, usual_protocol,
              bench_features | feature_ctrl_vq | feature_ctrl_rx | protocol_features_bit);
    front_end.send(Request::set_mem_table, memory_table(guest.ram), {guest.ram.fd().get()});
    const auto prepare = [&](std::uint32_t index, const FakeDriver& driver) {
        front_end.send_value(Request::set_vring_num, VringState{index, driver.size()});
        front_end.send_value(Request::set_vring_base, VringState{index, 0});
        front_end.send_value(Request::set_vring_addr, ring_address(index, driver.addresses()));
        front_end.send_value(Request::set_vring_call, index | no_fd);
        front_end.send_value(Request::set_vring_enable, VringState{index, 1});
        front_end.send_value(Request::set_vring_kick, index | no_fd);
        CHECK(back_end.state(index) == Virtqueue::State::running);
    };
    prepare(0, guest.receive);
    prepare(1, guest.transmit);
    prepare(2, control);
    back_end.wire.on_transmit = [&](const Frame& frame) {
        back_end.wire.deliver({frame.bytes.begin(), frame.bytes.end()});
    };
    for (unsigned i = 0; i < 3; ++i) {
        guest.receive.chain().writable(2000).offer();
        guest.transmit.chain().readable(NetHeaderBytes{}).readable(pattern(60, i)).offer();
        // VIRTIO_NET_CTRL_RX, PROMISC, on.
        constexpr std::array on{std::byte{0}, std::byte{0}, std::byte{1}};
        control.chain().readable(on).writable(1).offer();
        front_end.settle();
        CHECK(guest.transmit.take_used());
        CHECK(guest.receive.take_used());
        CHECK(control.take_used());
        CHECK(back_end.wire.sent.size() == i + 1);
    }
    // The driver is told that it need not kick.
    CHECK(guest.transmit.available_event() == 0);

    // Stopped, it costs nothing more; started with a descriptor, it sleeps until it is kicked.
    front_end.ask_value(Request::get_vring_base, VringState{0, 0});
    front_end.ask_value(Request::get_vring_base, VringState{2, 0});
    const auto base = read_payload<VringState>(
        front_end.ask_value(Request::get_vring_base, VringState{1, 0}).payload);
    front_end.settle();
    CHECK_FALSE(back_end.loop.turn(std::chrono::milliseconds(0)));
    front_end.send_value(Request::set_vring_base, base);
    front_end.send_value(Request::set_vring_kick, std::uint64_t{1}, {guest.transmit_fds.kick.fd()});
    front_end.settle();
    guest.transmit.chain().readable(NetHeaderBytes{}).readable(pattern(60, 9)).offer();
    front_end.settle();
    CHECK_FALSE(guest.transmit.take_used());
    guest.transmit_fds.kick.signal();
    front_end.settle();
    CHECK(guest.transmit.take_used());
}

TEST_CASE("server: a polled ring starts as soon as it is complete", "[device][vhost_user]") {
    BackEnd back_end;
    Guest guest;
    FakeFrontEnd front_end = back_end.connect();
    negotiate(front_end);
    front_end.send_value(Request::set_vring_num, VringState{1, guest.transmit.size()});
    front_end.send_value(Request::set_vring_kick, std::uint64_t{0x101});
    CHECK(back_end.state(1) == Virtqueue::State::stopped);
    front_end.send_value(Request::set_vring_addr, ring_address(1, guest.transmit.addresses()));
    SECTION("with its memory") {
        front_end.send_value(Request::set_vring_enable, VringState{1, 1});
        CHECK(back_end.state(1) == Virtqueue::State::stopped);
        front_end.send(Request::set_mem_table, memory_table(guest.ram), {guest.ram.fd().get()});
        CHECK(back_end.state(1) == Virtqueue::State::running);
    }
    SECTION("when it is enabled") {
        front_end.send_value(Request::set_vring_enable, VringState{1, 0});
        front_end.send(Request::set_mem_table, memory_table(guest.ram), {guest.ram.fd().get()});
        CHECK(back_end.state(1) == Virtqueue::State::running);
    }
}
