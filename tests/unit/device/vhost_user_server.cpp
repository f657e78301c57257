// A whole back end without its program: front ends connect, negotiate, pass memory and
// descriptors, lie, leave, and come back.

#include <algorithm>
#include <array>
#include <filesystem>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device/vhost_user/server.h"
#include "tests/unit/device/fake_driver.h"
#include "tests/unit/device/fake_front_end.h"
#include "tests/unit/device/net_bench.h"
#include "tests/unit/device/temporary_directory.h"

using namespace skbtrail::device;
using namespace skbtrail::device::test;
using namespace skbtrail::device::vhost_user;

namespace {

struct BackEnd {
    explicit BackEnd(SessionOptions options = {}, unsigned pairs = 1)
        : device(loop, wire,
                 NetDeviceOptions{possible_features({.serves_config = options.serve_config}), pairs,
                                  mac},
                 nullptr, {}),
          listener(must(Listener::open(directory / "nic.sock"))),
          server(loop, listener, device, device, options, [this] { ++left; }) {}

    FakeFrontEnd connect() { return {loop, listener.path()}; }
    Virtqueue::State state(unsigned queue) const {
        return std::as_const(device).queue(queue).virtqueue().state();
    }
    bool enabled(unsigned queue) const {
        return std::as_const(device).queue(queue).virtqueue().enabled();
    }

    static constexpr std::array<std::byte, 6> mac{std::byte{2}, std::byte{0}, std::byte{0},
                                                  std::byte{0}, std::byte{0}, std::byte{9}};
    TemporaryDirectory directory;
    EventLoop loop;
    BenchWire wire;
    NetDevice device;
    Listener listener;
    int left = 0;
    Server server;
};

std::vector<std::byte> memory_table(const GuestRam& ram) {
    std::vector<std::byte> payload(memory_table_header);
    const auto count = static_cast<std::uint32_t>(ram.regions().size());
    std::memcpy(payload.data(), &count, sizeof count);
    for (const RegionDescription& region : ram.regions()) {
        const MemoryRegion wire{region.guest_address.value, region.size, region.user_address.value,
                                region.file_offset};
        const auto bytes = std::as_bytes(std::span(&wire, 1));
        payload.insert(payload.end(), bytes.begin(), bytes.end());
    }
    return payload;
}

SingleMemoryRegion single(const RegionDescription& region) {
    return {
        0,
        {region.guest_address.value, region.size, region.user_address.value, region.file_offset}};
}

VringAddress ring_address(std::uint32_t index, const RingAddresses& addresses) {
    return {index, 0, addresses.descriptors.value, addresses.used.value, addresses.available.value,
            0};
}

constexpr std::uint64_t usual_protocol = protocol_mq | protocol_rarp | protocol_reply_ack |
                                         protocol_mtu | protocol_reset_device |
                                         protocol_configure_mem_slots | protocol_status;

void negotiate(FakeFrontEnd& front_end, std::uint64_t protocol = usual_protocol,
               std::uint64_t features = bench_features | protocol_features_bit) {
    front_end.send_value(Request::set_protocol_features, protocol);
    front_end.send(Request::set_owner);
    front_end.send_value(Request::set_features, features);
}

/// What QEMU does to bring up one queue.
void start_queue(FakeFrontEnd& front_end, std::uint32_t index, const FakeDriver& driver,
                 const QueueEvents& events) {
    front_end.send_value(Request::set_vring_num, VringState{index, driver.size()});
    front_end.send_value(Request::set_vring_base, VringState{index, 0});
    front_end.send_value(Request::set_vring_addr, ring_address(index, driver.addresses()));
    front_end.send_value(Request::set_vring_call, std::uint64_t{index}, {events.call.fd()});
    front_end.send_value(Request::set_vring_err, std::uint64_t{index}, {events.error.fd()});
    front_end.send_value(Request::set_vring_kick, std::uint64_t{index}, {events.kick.fd()});
    front_end.send_value(Request::set_vring_enable, VringState{index, 1});
}

struct Guest {
    GuestRam ram;
    FakeDriver receive{ram, 16};
    FakeDriver transmit{ram, 16};
    QueueEvents receive_fds;
    QueueEvents transmit_fds;

    void plug_in(FakeFrontEnd& front_end) {
        negotiate(front_end);
        front_end.send(Request::set_mem_table, memory_table(ram), {ram.fd().get()});
        start_queue(front_end, 0, receive, receive_fds);
        start_queue(front_end, 1, transmit, transmit_fds);
    }
};

}  // namespace

TEST_CASE("server: what is offered", "[device][vhost_user]") {
    BackEnd back_end;
    FakeFrontEnd front_end = back_end.connect();
    const auto features = front_end.ask(Request::get_features);
    CHECK(features.flags == (flag_version | flag_reply));
    CHECK(features.request == 1);
    CHECK((features.u64() & protocol_features_bit) != 0);
    CHECK((features.u64() & bench_features) == bench_features);
    CHECK((features.u64() & feature_mac) == 0);
    CHECK(front_end.ask(Request::get_protocol_features).u64() == usual_protocol);
    front_end.send_value(Request::set_protocol_features, usual_protocol);
    CHECK(front_end.ask(Request::get_queue_num).u64() == 1);
    CHECK(front_end.ask(Request::get_max_mem_slots).u64() >= 32);
    CHECK_FALSE(front_end.ended());
}

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
    CHECK(front_end.acknowledge(Request::set_log_fd, std::uint64_t{0}) != 0);
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
         [](auto& f) { f.send_value(Request::set_protocol_features, protocol_inflight_shmfd); }},
        {"a ring size that is no power of two",
         [](auto& f) { f.send_value(Request::set_vring_num, VringState{0, 3}); }},
        {"a queue that is not there",
         [](auto& f) { f.send_value(Request::set_vring_num, VringState{2, 16}); }},
        {"the base of a queue that is not there",
         [](auto& f) { f.send_value(Request::get_vring_base, VringState{7, 0}); }},
        {"a ring without a kick descriptor",
         [](auto& f) { f.send_value(Request::set_vring_kick, std::uint64_t{0x100}); }},
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
        {"SET_LOG_BASE, not offered", [&](auto& f) { f.send_value(Request::set_log_base, zero); }},
        {"GET_INFLIGHT_FD, not offered",
         [&](auto& f) { f.send_value(Request::get_inflight_fd, zero); }},
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
            CHECK(reply.has_value() != rule.answers);
            if (reply) {
                CHECK(reply->u64() != 0);
            }
            CHECK(front_end.ended());
        }
    }
}

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
    CHECK(front_end.acknowledge(Request::set_vring_kick, std::uint64_t{0x100}) != 0);
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
