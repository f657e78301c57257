// Commands of the control queue, honest and not, and the filter that they set.

#include <cstring>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "device/net/control_commands.h"
#include "tests/unit/device/back_end.h"
#include "tests/unit/device/log_catcher.h"
#include "tests/unit/device/octets.h"

using namespace skbtrail::device;
using namespace skbtrail::device::test;

namespace {

/// A frame to 02:00:00:00:00:`last`, or to any other address.
Bytes frame_to(const Bytes& target, const Bytes& tag = {}) {
    Bytes frame = target + Bytes(6) + tag + octets({0x08, 0x00});
    frame.resize(60);
    return frame;
}
Bytes station(unsigned last) {
    return octets({2, 0, 0, 0, 0, last});
}
Bytes group(unsigned last) {
    return octets({1, 0, 0x5e, 0, 0, last});
}
const Bytes broadcast(6, std::byte{0xff});

ReceiveFilter::Mac mac(unsigned last) {
    ReceiveFilter::Mac value{};
    value[0] = std::byte{2};
    value[5] = static_cast<std::byte>(last);
    return value;
}

constexpr Features control_bits =
    control_features | feature_mq | feature_mac | feature_guest_announce;

/// A device whose front end forwards the control queue, with four pairs of which one is set up.
struct ControlBench {
    ControlBench() {
        guest.protocol |= protocol_config;
        negotiate(front_end, guest.protocol, negotiated | protocol_features_bit);
        front_end.send(Request::set_mem_table, memory_table(guest.ram), {guest.ram.fd().get()});
        start_queue(front_end, 0, guest.receive, guest.receive_fds);
        start_queue(front_end, 8, control, events);
    }
    explicit ControlBench(std::nullptr_t) {}

    /// The answer to a command: 0 or 1.
    unsigned command(const Bytes& bytes) {
        const auto offered = control.chain().readable(bytes).writable(1).offer();
        *guest.ram.at(offered.pieces.back().address) = std::byte{0x55};
        events.kick.signal();
        front_end.settle();
        const auto used = control.take_used();
        REQUIRE(used);
        CHECK(used->length == 1);
        return std::to_integer<unsigned>(*guest.ram.at(offered.pieces.back().address));
    }
    bool receives(const Bytes& frame) {
        guest.receive.chain().writable(200).offer();
        REQUIRE(back_end.wire.deliver(frame));
        front_end.settle();
        return guest.receive.take_used().has_value();
    }

    Bytes configured_mac() const {
        Bytes mac(6);
        must(back_end.device.read_config(0, mac));
        return mac;
    }

    static constexpr Features negotiated = bench_features | control_bits;
    BackEnd back_end{{.serve_config = true}, 4};
    Guest guest;
    FakeDriver control{guest.ram, 16};
    QueueEvents events;
    FakeFrontEnd front_end = back_end.connect();
};

}  // namespace

TEST_CASE("control: the queue answers each command", "[device][control]") {
    ControlBench bench;
    CHECK(bench.command(octets({0, 0, 0})) == 0);
    CHECK(bench.command(octets({0, 0, 2})) == 1);
    CHECK(bench.command(octets({0, 0})) == 1);
    CHECK(bench.command(octets({0, 0, 1, 1})) == 1);
    CHECK(bench.command(octets({0, 6, 1})) == 1);
    CHECK(bench.command(octets({99, 0, 1})) == 1);
    CHECK(bench.command(octets({0})) == 1);
    CHECK(bench.command(Bytes(70000)) == 1);
    CHECK(bench.back_end.state(8) == Virtqueue::State::running);
    CHECK(bench.events.call.take() >= 1);

    SECTION("one without room for an answer breaks the queue, and only this") {
        bench.control.chain().readable(octets({0, 0, 1})).offer();
        bench.events.kick.signal();
        bench.front_end.settle();
        CHECK(bench.back_end.state(8) == Virtqueue::State::broken);
        CHECK(bench.events.error.take() == 1);
        CHECK(bench.back_end.state(0) == Virtqueue::State::running);
        CHECK(bench.receives(frame_to(broadcast)));
    }
    SECTION("one that has only room for an answer is an error") {
        const auto offered = bench.control.chain().writable(1).offer();
        bench.events.kick.signal();
        bench.front_end.settle();
        CHECK(bench.control.take_used());
        CHECK(*bench.guest.ram.at(offered.pieces[0].address) == std::byte{1});
    }
}

TEST_CASE("control: commands without end leave the others their turn", "[device][control]") {
    ControlBench bench;
    constexpr std::size_t given = ControlQueue::turn_budget + 2;
    for (std::size_t i = 0; i < given; ++i) {
        bench.control.chain().readable(octets({0, 0, 0})).writable(1).offer();
    }
    const auto answered = [&bench] {
        std::size_t count = 0;
        while (bench.control.take_used()) {
            ++count;
        }
        return count;
    };
    bench.events.kick.signal();
    bench.back_end.loop.turn(std::chrono::milliseconds(0));
    CHECK(answered() == ControlQueue::turn_budget);
    bench.front_end.settle();
    CHECK(answered() == given - ControlQueue::turn_budget);
    // Asleep again, and woken by a kick.
    CHECK(bench.command(octets({0, 0, 0})) == 0);
}

TEST_CASE("control: the filter filters", "[device][control]") {
    ControlBench bench;
    // Everything, until the driver says otherwise.
    CHECK(bench.receives(frame_to(station(77))));
    CHECK(bench.command(octets({0, 0, 0})) == 0);
    const Bytes own(BackEnd::mac.begin(), BackEnd::mac.end());
    CHECK(bench.receives(frame_to(own)));
    CHECK(bench.receives(frame_to(broadcast)));
    CHECK_FALSE(bench.receives(frame_to(station(77))));
    CHECK_FALSE(bench.receives(frame_to(group(1))));
    CHECK(bench.back_end.device.filtered() == 2);

    SECTION("the MAC tables") {
        CHECK(bench.command(octets({1, 0, 1, 0, 0, 0}) + station(77) + octets({2, 0, 0, 0}) +
                            group(1) + group(2)) == 0);
        CHECK(bench.receives(frame_to(station(77))));
        CHECK_FALSE(bench.receives(frame_to(station(78))));
        CHECK(bench.receives(frame_to(group(2))));
        CHECK_FALSE(bench.receives(frame_to(group(3))));
        // Another table in its place.
        CHECK(bench.command(octets({1, 0, 0, 0, 0, 0, 0, 0, 0, 0})) == 0);
        CHECK_FALSE(bench.receives(frame_to(station(77))));
        // Tables that lie about their length, or have something behind them.
        CHECK(bench.command(octets({1, 0, 2, 0, 0, 0}) + station(1) + octets({0, 0, 0, 0})) == 1);
        CHECK(bench.command(octets({1, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0})) == 1);
        CHECK(bench.command(octets({1, 0, 0, 0, 0, 0})) == 1);
        CHECK(bench.command(octets({1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9})) == 1);
    }
    SECTION("the modes") {
        CHECK(bench.command(octets({0, 1, 1})) == 0);  // all multicast
        CHECK(bench.receives(frame_to(group(1))));
        CHECK_FALSE(bench.receives(frame_to(station(77))));
        CHECK(bench.command(octets({0, 2, 1})) == 0);  // all unicast
        CHECK(bench.receives(frame_to(station(77))));
        CHECK(bench.command(octets({0, 5, 1})) == 0);  // no broadcast
        CHECK_FALSE(bench.receives(frame_to(broadcast)));
        CHECK(bench.command(octets({0, 0, 1})) == 0);  // and everything again
        CHECK(bench.receives(frame_to(broadcast)));
    }
    SECTION("another address") {
        CHECK(bench.command(octets({1, 1}) + station(50)) == 0);
        CHECK(bench.receives(frame_to(station(50))));
        CHECK_FALSE(bench.receives(frame_to(own)));
        // The configuration space has it, until another driver comes (5.1.6.5.2.1).
        CHECK(bench.configured_mac() == station(50));
        bench.front_end.send_value(Request::set_status, std::uint64_t{0});
        CHECK(bench.configured_mac() == own);
    }
    SECTION("addresses that are none") {
        CHECK(bench.command(octets({1, 1}) + group(1)) == 1);
        CHECK(bench.command(octets({1, 1}) + octets({2, 0, 0})) == 1);
    }
    SECTION("VLANs") {
        const Bytes tag = octets({0x81, 0x00, 0x20, 0x05});  // VLAN 5, with a priority
        CHECK_FALSE(bench.receives(frame_to(own, tag)));
        CHECK(bench.command(octets({2, 0, 5, 0})) == 0);
        CHECK(bench.receives(frame_to(own, tag)));
        CHECK(bench.command(octets({2, 1, 5, 0})) == 0);
        CHECK_FALSE(bench.receives(frame_to(own, tag)));
        CHECK(bench.command(octets({2, 0, 0, 0x10})) == 1);  // 4096
        CHECK(bench.command(octets({2, 0, 5})) == 1);
    }
    SECTION("another driver starts anew") {
        bench.front_end.send_value(Request::set_status, std::uint64_t{0});
        start_queue(bench.front_end, 0, bench.guest.receive, bench.guest.receive_fds);
        CHECK(bench.receives(frame_to(station(77))));
    }
}

TEST_CASE("control: pairs, offloads and announcements", "[device][control]") {
    ControlBench bench;
    CHECK(bench.command(octets({4, 0, 4, 0})) == 0);
    CHECK(bench.command(octets({4, 0, 1, 0})) == 0);
    CHECK(bench.command(octets({4, 0, 0, 0})) == 1);
    CHECK(bench.command(octets({4, 0, 5, 0})) == 1);
    CHECK(bench.command(octets({4, 0, 1})) == 1);

    CHECK(bench.command(octets({5, 0, 2, 0, 0, 0, 0, 0, 0, 0})) == 0);     // guest_csum
    CHECK(bench.command(octets({5, 0, 0, 0, 0, 0, 0, 0, 0, 0})) == 0);     // nothing
    CHECK(bench.command(octets({5, 0, 0x82, 0, 0, 0, 0, 0, 0, 0})) == 1);  // tso4: not negotiated
    CHECK(bench.command(octets({5, 0, 1, 0, 0, 0, 0, 0, 0, 0})) == 1);     // csum: not the guest's
    CHECK(bench.command(octets({5, 0, 2})) == 1);

    CHECK(bench.command(octets({3, 0})) == 0);
    CHECK(bench.command(octets({3, 1})) == 1);
    CHECK(bench.command(octets({3, 0, 0})) == 1);
}

TEST_CASE("control: the driver is asked to announce itself", "[device][control]") {
    ControlBench bench;
    constexpr std::byte announce{2};  // VIRTIO_NET_S_ANNOUNCE
    const auto asked = [&bench] {
        Bytes status(2);
        must(bench.back_end.device.read_config(6, status));
        return (status[0] & announce) != std::byte{0};
    };
    CHECK_FALSE(asked());
    // There is no channel through which it could be told; it sees it when it looks.
    CHECK(must(bench.back_end.device.ask_to_announce()) == false);
    CHECK(asked());
    CHECK(bench.command(octets({3, 0})) == 0);  // ANNOUNCE_ACK
    CHECK_FALSE(asked());

    SECTION("a driver that was reset owes nothing") {
        must(bench.back_end.device.ask_to_announce());
        bench.front_end.send_value(Request::set_status, std::uint64_t{0});
        CHECK_FALSE(asked());
    }
    SECTION("a guest that came by migration is new to this wire") {
        Bytes brought(ConfigSpace::size);
        must(bench.back_end.device.read_config(0, brought));
        must(bench.back_end.device.write_config(0, brought, true));
        CHECK(asked());
    }
}

TEST_CASE("control: a driver that announces nothing is not asked to", "[device][control]") {
    NetBench bench;
    CHECK_FALSE(bench.device->ask_to_announce());
}

TEST_CASE("control: offloads that the driver gives up reach it no more", "[device][control]") {
    ControlBench bench;
    FrameOffload partial;
    partial.needs_checksum = true;
    partial.checksum_start = 34;
    partial.checksum_offset = 6;
    const auto flags_of_received = [&] {
        const auto offered = bench.guest.receive.chain().writable(200).offer();
        REQUIRE(bench.back_end.wire.deliver(pattern(60), partial));
        bench.front_end.settle();
        REQUIRE(bench.guest.receive.take_used());
        return std::to_integer<unsigned>(*bench.guest.ram.at(offered.pieces[0].address));
    };
    CHECK(flags_of_received() == 1);  // VIRTIO_NET_HDR_F_NEEDS_CSUM
    CHECK(bench.command(octets({5, 0, 0, 0, 0, 0, 0, 0, 0, 0})) == 0);
    CHECK(flags_of_received() == 0);
}

TEST_CASE("control: only what was negotiated", "[device][control]") {
    struct Nothing final : ControlTarget {
        Result<> use_pairs(unsigned) override { return {}; }
        Result<> set_guest_offloads(Features) override { return {}; }
        void announced() override {}
        void set_mac(const ReceiveFilter::Mac&) override {}
    } target;
    ReceiveFilter filter;
    const std::vector<std::pair<Bytes, Features>> commands = {
        {octets({0, 0, 1}), feature_ctrl_rx},
        {octets({0, 1, 1}), feature_ctrl_rx},
        {octets({0, 2, 1}), feature_ctrl_rx_extra},
        {octets({0, 3, 1}), feature_ctrl_rx_extra},
        {octets({0, 4, 1}), feature_ctrl_rx_extra},
        {octets({0, 5, 1}), feature_ctrl_rx_extra},
        {octets({1, 0, 0, 0, 0, 0, 0, 0, 0, 0}), feature_ctrl_rx},
        {octets({1, 1}) + station(1), feature_ctrl_mac_addr},
        {octets({2, 0, 1, 0}), feature_ctrl_vlan},
        {octets({2, 1, 1, 0}), feature_ctrl_vlan},
        {octets({3, 0}), feature_guest_announce},
        {octets({4, 0, 1, 0}), feature_mq},
        {octets({5, 0, 0, 0, 0, 0, 0, 0, 0, 0}), feature_ctrl_guest_offloads},
    };
    for (const auto& [command, needs] : commands) {
        INFO(std::to_integer<int>(command[0]) << " " << std::to_integer<int>(command[1]));
        CHECK(execute_control(command, needs, filter, target));
        CHECK_FALSE(execute_control(command, control_bits & ~needs, filter, target));
        // Cut short anywhere, it is refused and read no further than it goes.
        for (std::size_t length = 0; length < command.size(); ++length) {
            const Bytes cut(command.begin(), command.begin() + static_cast<std::ptrdiff_t>(length));
            CHECK_FALSE(execute_control(cut, control_bits, filter, target));
        }
    }
}

TEST_CASE("control: behind the first pair when there is no mq", "[device][control]") {
    ControlBench bench(nullptr);
    negotiate(bench.front_end, usual_protocol | protocol_config,
              bench_features | control_features | protocol_features_bit);
    bench.front_end.send(Request::set_mem_table, memory_table(bench.guest.ram),
                         {bench.guest.ram.fd().get()});
    start_queue(bench.front_end, 2, bench.control, bench.events);
    CHECK(bench.command(octets({0, 0, 0})) == 0);
}

TEST_CASE("control: not offered where the front end keeps it", "[device][control]") {
    CHECK((possible_features({}) & control_features) == 0);
    BackEnd back_end;
    CHECK(back_end.device.queue_count() == 2);
    FakeFrontEnd front_end = back_end.connect();
    negotiate(front_end);
    CHECK(front_end.acknowledge(Request::set_vring_num, VringState{2, 16}) != 0);
}

TEST_CASE("filter: tables that are too long let their kind through", "[device][control]") {
    ReceiveFilter filter;
    filter.reset(mac(1), false);
    filter.set_mode(ReceiveFilter::Mode::promiscuous, false);
    CHECK_FALSE(filter.accepts(frame_to(station(99))));
    filter.set_tables(std::vector<ReceiveFilter::Mac>(ReceiveFilter::most_addresses + 1), {});
    CHECK(filter.accepts(frame_to(station(99))));
    CHECK_FALSE(filter.accepts(frame_to(group(9))));
    filter.set_mode(ReceiveFilter::Mode::no_unicast, true);
    CHECK_FALSE(filter.accepts(frame_to(station(1))));
    // A tag that is cut off.
    filter.reset(mac(1), true);
    filter.set_mode(ReceiveFilter::Mode::promiscuous, false);
    const Bytes cut = station(1) + Bytes(6) + octets({0x81, 0x00});
    CHECK(filter.accepts(cut));
}

TEST_CASE("control: a driver that says nonsense for ever does not fill the log", "[device][net]") {
    LogCatcher log;
    {
        ControlBench bench;
        for (int i = 0; i < 100; ++i) {
            CHECK(bench.command(octets({99, 0})) == 1);
        }
    }
    CHECK(log.count("refused a command") == LogLimit::most);
    CHECK(log.count("and 90 more") == 1);
}
