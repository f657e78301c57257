// What a front end can do wrong, each with what becomes of it.

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <functional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/unit/device/back_end.h"

using namespace skbtrail::device;
using namespace skbtrail::device::test;

TEST_CASE("server: failures that nothing else could tell end the connection",
          "[device][vhost_user][hostile]") {
    struct Wrong {
        const char* what;
        std::function<void(FakeFrontEnd&)> send;
    };
    const std::uint64_t zero = 0;
    const std::vector<Wrong> all = {
        {"a feature that was not offered",
         [](auto& f) { f.send_value(Request::set_features, std::uint64_t{1} << 63); }},
        {"a protocol feature that was not offered",
         [](auto& f) { f.send_value(Request::set_protocol_features, protocol_pagefault); }},
        {"a ring size that is no power of two",
         [](auto& f) { f.send_value(Request::set_vring_num, VringState{0, 3}); }},
        {"a queue that is not there",
         [](auto& f) { f.send_value(Request::set_vring_num, VringState{2, 16}); }},
        {"the base of a queue that is not there",
         [](auto& f) { f.send_value(Request::get_vring_base, VringState{7, 0}); }},
        {"a descriptor that was not announced",
         [](auto& f) { f.send_value(Request::set_vring_call, std::uint64_t{0x100}, {0}); }},
        {"an announced descriptor that is missing",
         [&](auto& f) { f.send_value(Request::set_vring_call, zero); }},
        {"a directory to kick with",
         [&](auto& f) {
             const UniqueFd directory(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
             f.send_value(Request::set_vring_kick, zero, {directory.get()});
         }},
        {"a memory region of no bytes",
         [](auto& f) {
             const GuestRam ram;
             auto table = memory_table(ram);
             std::fill(table.begin() + 16, table.begin() + 24, std::byte{0});
             f.send(Request::set_mem_table, table, {ram.fd().get()});
         }},
        {"GET_QUEUE_NUM, not negotiated", [](auto& f) { f.send(Request::get_queue_num); }},
        {"ADD_MEM_REG, not negotiated",
         [](auto& f) {
             const GuestRam ram;
             f.send_value(Request::add_mem_reg, single(ram.regions().front()), {ram.fd().get()});
         }},
        {"GET_CONFIG, not negotiated",
         [](auto& f) { f.send_value(Request::get_config, ConfigHeader{0, 0, 0}); }},
        {"SET_LOG_BASE of no known form",
         [&](auto& f) { f.send_value(Request::set_log_base, zero); }},
        {"GET_INFLIGHT_FD, not negotiated",
         [](auto& f) { f.send(Request::get_inflight_fd, std::vector<std::byte>(24)); }},
        {"a bad header", [](auto& f) { send_raw(f.fd(), encode(1, {}, 0x7)); }},
        {"half a message",
         [](auto& f) { send_raw(f.fd(), std::span<const std::byte>(encode(1, {})).first(5)); }},
    };
    for (const Wrong& wrong : all) {
        DYNAMIC_SECTION(wrong.what) {
            BackEnd back_end;
            const std::size_t before = open_descriptors();
            {
                FakeFrontEnd front_end = back_end.connect();
                wrong.send(front_end);
                front_end.settle();
                if (std::string(wrong.what) == "half a message") {
                    CHECK_FALSE(front_end.ended());
                    front_end.leave();
                } else {
                    CHECK(front_end.ended());
                }
            }
            CHECK(back_end.left == 1);
            CHECK(open_descriptors() == before);
            // The next one is served.
            FakeFrontEnd next = back_end.connect();
            CHECK(next.ask(Request::get_features).u64() != 0);
        }
    }
}

TEST_CASE("server: every request in every wrong shape", "[device][vhost_user][hostile]") {
    BackEnd back_end({.serve_config = true});
    for (const MessageRule& rule : message_rules()) {
        if (!rule.offered) {
            continue;
        }
        INFO(rule.name);
        std::vector<std::pair<std::size_t, std::size_t>> shapes = {
            {rule.most_payload + 1, rule.least_fds},
            {rule.least_payload, rule.most_fds + 1},
        };
        if (rule.least_payload > 0) {
            shapes.emplace_back(rule.least_payload - 1, rule.least_fds);
            shapes.emplace_back(0, rule.least_fds);
        }
        if (rule.least_fds > 0) {
            shapes.emplace_back(rule.least_payload, 0);
        }
        for (const auto& [payload, fds] : shapes) {
            INFO(payload << " bytes, " << fds << " descriptors");
            FakeFrontEnd front_end = back_end.connect();
            negotiate(front_end, usual_protocol | protocol_config);
            front_end.send(rule.request, pattern(payload), std::vector<int>(fds, 0), true);
            const auto reply = front_end.receive();
            CHECK(reply.has_value() == (rule.reply != ReplyKind::own));
            if (reply) {
                CHECK(reply->u64() != 0);
            }
            CHECK(front_end.ended());
        }
    }
}

TEST_CASE("server: addresses that no ring can have are refused at once",
          "[device][vhost_user][hostile]") {
    BackEnd back_end;
    Guest guest;
    FakeFrontEnd front_end = back_end.connect();
    negotiate(front_end);
    front_end.send(Request::set_mem_table, memory_table(guest.ram), {guest.ram.fd().get()});
    front_end.send_value(Request::set_vring_num, VringState{0, 16});
    const auto good = ring_address(0, guest.receive.addresses());
    auto bad = good;
    bad.descriptors += 1;
    CHECK(front_end.acknowledge(Request::set_vring_addr, bad) != 0);
    bad = good;
    bad.used = 0xfffffffffffffffc;
    CHECK(front_end.acknowledge(Request::set_vring_addr, bad) != 0);
    bad = good;
    bad.available = GuestRam::user_base + GuestRam::default_size - 4;
    CHECK(front_end.acknowledge(Request::set_vring_addr, bad) != 0);
    bad = good;
    bad.flags = vring_flag_log;
    CHECK(front_end.acknowledge(Request::set_vring_addr, bad) != 0);
    bad.flags = 0x40;
    CHECK(front_end.acknowledge(Request::set_vring_addr, bad) != 0);
    CHECK(front_end.acknowledge(Request::set_vring_addr, good) == 0);
}

TEST_CASE("server: descriptors of the wrong kind", "[device][vhost_user][hostile]") {
    BackEnd back_end;
    Guest guest;
    FakeFrontEnd front_end = back_end.connect();
    negotiate(front_end);
    const GuestRam ram;
    const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    const UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
    const std::uint64_t queue = 0;
    for (const Request request :
         {Request::set_vring_kick, Request::set_vring_call, Request::set_vring_err}) {
        for (const int fd : {ram.fd().get(), null.get(), epoll.get(), front_end.fd()}) {
            CHECK(front_end.acknowledge(request, queue, {fd}) != 0);
        }
        CHECK(front_end.acknowledge(request, queue, {guest.receive_fds.call.fd()}) == 0);
        // Pipes are legal: UML uses them.
        std::array<int, 2> ends{};
        REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
        const UniqueFd reader(ends[0]);
        const UniqueFd writer(ends[1]);
        CHECK(front_end.acknowledge(
                  request, queue,
                  {request == Request::set_vring_kick ? reader.get() : writer.get()}) == 0);
    }
    CHECK(front_end.acknowledge(Request::set_vring_call, std::uint64_t{0x100}) == 0);
    CHECK(front_end.acknowledge(Request::set_vring_err, std::uint64_t{0x101}) == 0);
    CHECK(front_end.acknowledge(Request::set_vring_kick, std::uint64_t{0x100}) == 0);
}

TEST_CASE("server: a saturated call descriptor does not block", "[device][vhost_user][hostile]") {
    BackEnd back_end;
    Guest guest;
    FakeFrontEnd front_end = back_end.connect();
    // Blocking, and full: a careless write would wait for ever.
    const UniqueFd call(::eventfd(0, EFD_CLOEXEC));
    const std::uint64_t most = 0xfffffffffffffffe;
    REQUIRE(::write(call.get(), &most, sizeof most) == sizeof most);
    guest.plug_in(front_end);
    front_end.send_value(Request::set_vring_call, std::uint64_t{1}, {call.get()});
    guest.transmit.chain().readable(NetHeaderBytes{}).readable(pattern(60)).offer();
    guest.transmit_fds.kick.signal();
    front_end.settle();
    CHECK(guest.transmit.take_used());
}

TEST_CASE("server: a call pipe that nobody reads any more hurts nobody",
          "[device][vhost_user][hostile]") {
    const auto before = std::signal(SIGPIPE, SIG_IGN);  // as the program has it
    BackEnd back_end;
    Guest guest;
    FakeFrontEnd front_end = back_end.connect();
    guest.plug_in(front_end);
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    UniqueFd reader(ends[0]);
    const UniqueFd writer(ends[1]);
    front_end.send_value(Request::set_vring_call, std::uint64_t{1}, {writer.get()});
    reader.reset();
    for (int i = 0; i < 3; ++i) {
        guest.transmit.chain().readable(NetHeaderBytes{}).readable(pattern(60)).offer();
        guest.transmit_fds.kick.signal();
        front_end.settle();
        CHECK(guest.transmit.take_used());
    }
    CHECK(back_end.state(1) == Virtqueue::State::running);
    CHECK_FALSE(front_end.ended());
    std::signal(SIGPIPE, before);
}

TEST_CASE("server: a kick descriptor that hangs up does not spin",
          "[device][vhost_user][hostile]") {
    BackEnd back_end;
    Guest guest;
    FakeFrontEnd front_end = back_end.connect();
    guest.plug_in(front_end);
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    const UniqueFd reader(ends[0]);
    UniqueFd writer(ends[1]);
    front_end.send_value(Request::set_vring_kick, std::uint64_t{1}, {reader.get()});
    // As a kick, a pipe works …
    guest.transmit.chain().readable(NetHeaderBytes{}).readable(pattern(60)).offer();
    REQUIRE(::write(writer.get(), "12345678", 8) == 8);
    front_end.settle();
    CHECK(back_end.wire.sent.size() == 1);
    // … and its end is one event, not many.
    writer.reset();
    front_end.settle();
    CHECK_FALSE(back_end.loop.turn(std::chrono::milliseconds(0)));
}

TEST_CASE("server: random bytes never hurt", "[device][vhost_user][hostile]") {
    BackEnd back_end;
    std::uint32_t seed = GENERATE(1u, 2u, 3u);
    const auto random = [&] { return (seed = seed * 1664525 + 1013904223) >> 8; };
    for (int i = 0; i < 300; ++i) {
        FakeFrontEnd front_end = back_end.connect();
        const GuestRam ram({{0, 0x10000}});
        for (int j = 0; j < 20 && !front_end.ended(); ++j) {
            std::vector<std::byte> payload(random() % 3 == 0 ? random() % 300 : (random() % 6) * 8);
            for (std::byte& byte : payload) {
                byte = static_cast<std::byte>(random() % 4 == 0 ? random() : 0);
            }
            try {
                front_end.send(static_cast<Request>(random() % 42), payload,
                               std::vector<int>(random() % 3, ram.fd().get()), random() % 2 == 0);
            } catch (const std::runtime_error&) {
                break;  // it has hung up meanwhile
            }
        }
    }
    FakeFrontEnd last = back_end.connect();
    CHECK(last.ask(Request::get_features).u64() != 0);
}

namespace {

/// What a front end sends to bring up a guest and take it down: messages with their descriptors.
struct Recorded {
    std::vector<std::byte> bytes;
    std::vector<int> fds;
};

std::vector<Recorded> a_whole_conversation(const Guest& guest) {
    std::vector<Recorded> all;
    const auto add = [&](Request request, std::span<const std::byte> payload,
                         std::vector<int> fds = {}) {
        all.push_back({encode(static_cast<std::uint32_t>(request), payload), std::move(fds)});
    };
    const auto value = [](const auto& one) { return std::as_bytes(std::span(&one, 1)); };
    const std::uint64_t protocol = usual_protocol;
    const std::uint64_t features = bench_features | protocol_features_bit;
    add(Request::get_features, {});
    add(Request::set_protocol_features, value(protocol));
    add(Request::set_owner, {});
    add(Request::set_features, value(features));
    const auto table = memory_table(guest.ram);
    add(Request::set_mem_table, table, {guest.ram.fd().get()});
    const VringState size{1, 16};
    const VringState zero{1, 0};
    const VringState one{1, 1};
    const std::uint64_t index = 1;
    const VringAddress address = ring_address(1, guest.transmit.addresses());
    add(Request::set_vring_num, value(size));
    add(Request::set_vring_base, value(zero));
    add(Request::set_vring_addr, value(address));
    add(Request::set_vring_call, value(index), {guest.transmit_fds.call.fd()});
    add(Request::set_vring_err, value(index), {guest.transmit_fds.error.fd()});
    add(Request::set_vring_kick, value(index), {guest.transmit_fds.kick.fd()});
    add(Request::set_vring_enable, value(one));
    add(Request::get_vring_base, value(zero));
    return all;
}

}  // namespace

TEST_CASE("server: a conversation in pieces of one byte", "[device][vhost_user][hostile]") {
    BackEnd back_end;
    const Guest guest;
    FakeFrontEnd front_end = back_end.connect();
    for (const Recorded& message : a_whole_conversation(guest)) {
        for (std::size_t i = 0; i < message.bytes.size(); ++i) {
            send_raw(front_end.fd(), std::span(message.bytes).subspan(i, 1),
                     i == 0 ? message.fds : std::vector<int>());
            front_end.settle();
        }
        if (message.bytes[0] == std::byte{18}) {  // SET_VRING_ENABLE, the last but one
            CHECK(back_end.state(1) == Virtqueue::State::running);
            CHECK(back_end.enabled(1));
        }
    }
    CHECK_FALSE(front_end.ended());
    CHECK(back_end.state(1) == Virtqueue::State::stopped);
}

TEST_CASE("server: headers that lie", "[device][vhost_user][hostile]") {
    struct Lie {
        const char* what;
        Header header;
    };
    for (const Lie& lie : {
             Lie{"a size larger than any message", {1, flag_version, 4097}},
             Lie{"the largest size", {1, flag_version, 0xffffffff}},
             Lie{"version 0", {1, 0, 0}},
             Lie{"version 2", {1, 2, 0}},
             Lie{"a reply to nothing", {1, flag_version | flag_reply, 0}},
             Lie{"an unknown flag", {1, flag_version | 0x80000000, 0}},
             Lie{"a payload for GET_FEATURES", {1, flag_version, 8}},
         }) {
        DYNAMIC_SECTION(lie.what) {
            BackEnd back_end;
            FakeFrontEnd front_end = back_end.connect();
            std::vector<std::byte> bytes = to_payload(lie.header);
            bytes.resize(bytes.size() + 8);
            send_raw(front_end.fd(), bytes);
            CHECK(front_end.ended());
            CHECK(back_end.left == 1);
        }
    }
}

TEST_CASE("server: descriptors where none belong, and too many", "[device][vhost_user][hostile]") {
    BackEnd back_end;
    const Guest guest;
    const std::size_t before = open_descriptors();
    for (const std::size_t surplus : {std::size_t{1}, std::size_t{8}, std::size_t{200}}) {
        FakeFrontEnd front_end = back_end.connect();
        send_raw(front_end.fd(), encode(1, {}),
                 std::vector<int>(surplus, guest.transmit_fds.call.fd()));
        CHECK(front_end.ended());
    }
    {
        // Hoarding: a message that never ends, with descriptors in each of its pieces.
        FakeFrontEnd front_end = back_end.connect();
        const auto message = encode(5, std::vector<std::byte>(264));
        for (int piece = 0; piece < 3 && !front_end.ended(); ++piece) {
            send_raw(front_end.fd(), std::span(message).subspan(static_cast<std::size_t>(piece), 1),
                     std::vector<int>(120, guest.transmit_fds.call.fd()));
        }
        CHECK(front_end.ended());
    }
    back_end.loop.turn(std::chrono::milliseconds(0));
    CHECK(open_descriptors() == before);
}

TEST_CASE("server: a front end that never reads its replies", "[device][vhost_user][hostile]") {
    BackEnd back_end;
    FakeFrontEnd front_end = back_end.connect();
    const auto question = encode(static_cast<std::uint32_t>(Request::get_features), {});
    bool gone = false;
    for (int i = 0; i < 100000 && !gone; ++i) {
        try {
            send_raw(front_end.fd(), question);
        } catch (const std::runtime_error&) {
            gone = true;
        }
        front_end.settle();
    }
    CHECK(gone);  // not waited for
    CHECK(back_end.left == 1);
}

TEST_CASE("server: a broken ring says so in every way there is", "[device][vhost_user][hostile]") {
    BackEnd back_end;
    Guest guest;
    FakeFrontEnd front_end = back_end.connect();
    guest.plug_in(front_end);
    front_end.send_value(Request::set_status, std::uint64_t{0x0f});
    guest.transmit.offer_head(99);  // past the table
    guest.transmit_fds.kick.signal();
    front_end.settle();
    CHECK(back_end.state(1) == Virtqueue::State::broken);
    const auto& reason = std::as_const(back_end.device).queue(1).virtqueue().broken_by();
    REQUIRE(reason);
    CHECK(reason->kind == RingFaultKind::head_out_of_range);
    CHECK(guest.transmit_fds.error.take() == 1);
    CHECK(front_end.ask(Request::get_status).u64() == 0x4f);  // NEEDS_RESET
    // The other queue lives, and a restart mends.
    guest.receive.chain().writable(200).offer();
    CHECK(back_end.wire.deliver(pattern(60)));
    front_end.settle();
    CHECK(guest.receive.take_used());
    front_end.ask_value(Request::get_vring_base, VringState{1, 0});
    CHECK(front_end.ask(Request::get_status).u64() == 0x0f);
    FakeDriver fresh(guest.ram, 16);
    start_queue(front_end, 1, fresh, guest.transmit_fds);
    CHECK(back_end.state(1) == Virtqueue::State::running);
}

TEST_CASE("server: FEATURES_OK stays only for features that were accepted",
          "[device][vhost_user]") {
    BackEnd back_end;
    FakeFrontEnd front_end = back_end.connect();
    front_end.send_value(Request::set_protocol_features, usual_protocol);
    CHECK(front_end.acknowledge(Request::set_features, std::uint64_t{1} << 62) != 0);
    front_end.send_value(Request::set_status, std::uint64_t{0x0b});
    CHECK(front_end.ask(Request::get_status).u64() == 0x03);
    CHECK(front_end.acknowledge(Request::set_features, bench_features) == 0);
    front_end.send_value(Request::set_status, std::uint64_t{0x0b});
    CHECK(front_end.ask(Request::get_status).u64() == 0x0b);
}
