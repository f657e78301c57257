// What front ends and the back end agree on, and how failures are told.

#include <algorithm>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "tests/unit/device/back_end.h"

using namespace skbtrail::device;
using namespace skbtrail::device::test;

TEST_CASE("server: what is offered", "[device][vhost_user]") {
    BackEnd back_end;
    FakeFrontEnd front_end = back_end.connect();
    const auto features = front_end.ask(Request::get_features);
    CHECK(features.flags == (flag_version | flag_reply));
    CHECK(features.request == 1);
    CHECK((features.u64() & protocol_features_bit) != 0);
    CHECK((features.u64() & bench_features) == bench_features);
    CHECK((features.u64() & feature_mac) == 0);
    CHECK((front_end.ask(Request::get_protocol_features).u64() & ~protocol_log_shmfd) ==
          (usual_protocol | protocol_inband_notifications | protocol_inflight_shmfd));
    front_end.send_value(Request::set_protocol_features, usual_protocol);
    CHECK(front_end.ask(Request::get_queue_num).u64() == 1);
    CHECK(front_end.ask(Request::get_max_mem_slots).u64() >= 32);
    CHECK_FALSE(front_end.ended());
}

TEST_CASE("server: REPLY_ACK says what became of a message", "[device][vhost_user]") {
    BackEnd back_end;
    Guest guest;
    FakeFrontEnd front_end = back_end.connect();

    // Not negotiated: the flag means nothing.
    front_end.send_value(Request::set_vring_enable, VringState{0, 1}, {}, true);
    CHECK_FALSE(front_end.receive());
    negotiate(front_end);

    CHECK(front_end.acknowledge(Request::set_vring_num, VringState{0, 16}) == 0);
    CHECK(front_end.acknowledge(Request::set_vring_num, VringState{0, 17}) != 0);
    CHECK(front_end.acknowledge(Request::set_vring_num, VringState{0, 0}) != 0);
    CHECK(front_end.acknowledge(Request::set_vring_num, VringState{0, 65536}) != 0);
    CHECK(front_end.acknowledge(Request::set_vring_num, VringState{2, 16}) != 0);
    CHECK(front_end.acknowledge(Request::set_vring_num, VringState{0xffffffff, 16}) != 0);
    CHECK(front_end.acknowledge(Request::set_vring_base, VringState{0, 65536}) != 0);
    CHECK(front_end.acknowledge(Request::set_vring_base, VringState{0, 65535}) == 0);
    CHECK(front_end.acknowledge(Request::set_vring_enable, VringState{0, 2}) != 0);
    CHECK(front_end.acknowledge(Request::set_vring_enable, VringState{2, 1}) != 0);
    CHECK(front_end.acknowledge(Request::set_features, std::uint64_t{1} << 63) != 0);
    CHECK(front_end.acknowledge(Request::set_features, bench_features) == 0);
    CHECK(front_end.acknowledge(Request::set_status, std::uint64_t{256}) != 0);
    CHECK(front_end.acknowledge(Request::set_status, std::uint64_t{0x0f}) == 0);
    CHECK(front_end.ask(Request::get_status).u64() == 0x0f);
    CHECK(front_end.acknowledge(Request::net_set_mtu, std::uint64_t{67}) != 0);
    CHECK(front_end.acknowledge(Request::net_set_mtu, std::uint64_t{65536}) != 0);
    CHECK(front_end.acknowledge(Request::net_set_mtu, std::uint64_t{1400}) == 0);

    // A reply of its own is the same with the flag.
    front_end.send(Request::get_features, {}, {}, true);
    REQUIRE(front_end.receive());
    CHECK_FALSE(front_end.receive());

    // Known but not offered, and unknown: refused, and the conversation goes on.
    CHECK(front_end.acknowledge(Request::set_vring_endian, VringState{0, 0}) != 0);
    CHECK(front_end.acknowledge(static_cast<Request>(41), std::uint64_t{0}) != 0);
    CHECK(front_end.acknowledge(static_cast<Request>(0), std::uint64_t{0}) != 0);
    CHECK(front_end.acknowledge(static_cast<Request>(0x80000000), std::uint64_t{0}) != 0);
    CHECK_FALSE(front_end.ended());
}

TEST_CASE("server: acknowledged with the message that negotiates it", "[device][vhost_user]") {
    BackEnd back_end;
    FakeFrontEnd front_end = back_end.connect();
    CHECK(front_end.acknowledge(Request::set_protocol_features, usual_protocol) == 0);
}

TEST_CASE("server: an unknown request without a wish for a reply is ignored",
          "[device][vhost_user]") {
    BackEnd back_end;
    FakeFrontEnd front_end = back_end.connect();
    const std::size_t before = open_descriptors();
    front_end.send(static_cast<Request>(99), pattern(100), {0, 1, 2});
    CHECK_FALSE(front_end.receive());
    CHECK_FALSE(front_end.ended());
    CHECK(open_descriptors() == before);
}

TEST_CASE("server: without F_PROTOCOL_FEATURES rings start enabled", "[device][vhost_user]") {
    BackEnd back_end;
    FakeFrontEnd front_end = back_end.connect();
    front_end.send_value(Request::set_features, bench_features);
    CHECK(back_end.enabled(0));
    CHECK(back_end.enabled(1));
    front_end.leave();
    CHECK_FALSE(back_end.enabled(0));
    FakeFrontEnd other = back_end.connect();
    other.send_value(Request::set_features, bench_features | protocol_features_bit);
    CHECK_FALSE(back_end.enabled(0));
}

TEST_CASE("server: status, reset and owner", "[device][vhost_user]") {
    BackEnd back_end;
    Guest guest;
    FakeFrontEnd front_end = back_end.connect();
    CHECK_THROWS(front_end.ask(Request::get_status));  // STATUS is not negotiated
    CHECK(front_end.ended());

    FakeFrontEnd again = back_end.connect();
    guest.plug_in(again);
    again.send_value(Request::set_status, std::uint64_t{0x0f});
    CHECK(again.ask(Request::get_status).u64() == 0x0f);
    SECTION("status 0") {
        again.send_value(Request::set_status, std::uint64_t{0});
        CHECK(again.ask(Request::get_status).u64() == 0);
        CHECK(back_end.state(0) == Virtqueue::State::stopped);
        CHECK(back_end.enabled(0));
    }
    SECTION("RESET_OWNER") {
        again.send(Request::reset_owner);
        CHECK(back_end.state(0) == Virtqueue::State::stopped);
        CHECK_FALSE(back_end.enabled(0));
    }
    SECTION("RESET_DEVICE") {
        again.send(Request::reset_device);
        CHECK(again.ask(Request::get_status).u64() == 0);
        CHECK(back_end.state(1) == Virtqueue::State::stopped);
        // Memory is the front end's, not the device's: it is still there.
        FakeDriver fresh(guest.ram, 16);
        again.send_value(Request::set_features, bench_features | protocol_features_bit);
        start_queue(again, 1, fresh, guest.transmit_fds);
        CHECK(back_end.state(1) == Virtqueue::State::running);
    }
    CHECK_FALSE(again.ended());
}

TEST_CASE("server: SEND_RARP broadcasts the guest's address", "[device][vhost_user]") {
    BackEnd back_end;
    FakeFrontEnd front_end = back_end.connect();
    negotiate(front_end);
    std::uint64_t mac = 0;
    std::memcpy(&mac, BackEnd::mac.data(), 6);
    CHECK(front_end.acknowledge(Request::send_rarp, mac) == 0);
    REQUIRE(back_end.wire.sent.size() == 1);
    const auto& frame = back_end.wire.sent[0].bytes;
    CHECK(frame.size() == 60);
    CHECK(std::count(frame.begin(), frame.begin() + 6, std::byte{0xff}) == 6);
    CHECK(std::equal(BackEnd::mac.begin(), BackEnd::mac.end(), frame.begin() + 6));
    CHECK(frame[12] == std::byte{0x80});
    CHECK(frame[13] == std::byte{0x35});
    CHECK(std::equal(BackEnd::mac.begin(), BackEnd::mac.end(), frame.begin() + 32));
}

TEST_CASE("server: the configuration space, where it is offered", "[device][vhost_user]") {
    BackEnd back_end({.serve_config = true});
    FakeFrontEnd front_end = back_end.connect();
    CHECK((front_end.ask(Request::get_features).u64() & (feature_mac | feature_status)) ==
          (feature_mac | feature_status));
    CHECK((front_end.ask(Request::get_protocol_features).u64() & protocol_config) != 0);
    negotiate(front_end, usual_protocol | protocol_config);
    const auto read = [&](std::uint32_t offset, std::uint32_t size) {
        std::vector<std::byte> payload = to_payload(ConfigHeader{offset, size, 0});
        payload.resize(payload.size() + size);
        auto reply = front_end.ask(Request::get_config, payload).payload;
        if (!reply.empty()) {
            CHECK(read_payload<ConfigHeader>(reply).offset == offset);
            CHECK(read_payload<ConfigHeader>(reply).size == size);
            reply.erase(reply.begin(), reply.begin() + sizeof(ConfigHeader));
        }
        return reply;
    };
    CHECK(read(0, 6) == std::vector(BackEnd::mac.begin(), BackEnd::mac.end()));
    CHECK(read(6, 2) == std::vector{std::byte{1}, std::byte{0}});  // link up
    CHECK(read(8, 2) == std::vector{std::byte{1}, std::byte{0}});  // one pair
    CHECK(read(0, 24).size() == 24);
    CHECK(read(0, 25).empty());
    CHECK(read(24, 1).empty());
    CHECK(read(256, 0).empty());
    CHECK(front_end.acknowledge(Request::net_set_mtu, std::uint64_t{1400}) == 0);
    CHECK(read(10, 2) == std::vector{std::byte{0x78}, std::byte{0x05}});

    const auto write = [&](std::uint32_t offset, std::uint32_t flags,
                           const std::vector<std::byte>& bytes) {
        std::vector<std::byte> payload =
            to_payload(ConfigHeader{offset, static_cast<std::uint32_t>(bytes.size()), flags});
        payload.insert(payload.end(), bytes.begin(), bytes.end());
        front_end.send(Request::set_config, payload, {}, true);
        return front_end.receive()->u64();
    };
    CHECK(write(0, 0, pattern(6)) != 0);  // read-only
    CHECK(write(0, config_flag_migration, pattern(6)) == 0);
    CHECK(read(0, 6) == pattern(6));
    CHECK(write(20, config_flag_migration, pattern(6)) != 0);
    CHECK(write(0xffffffff, config_flag_migration, pattern(6)) != 0);
    CHECK(read(0, 6) == pattern(6));
}
