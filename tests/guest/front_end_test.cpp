// QEMU as front end, and what a driver in its guest does to a NIC in a machine's life: it comes,
// reboots, is unbound and bound, changes rings and offloads, loses its NIC and gets it back. Each
// time: what was negotiated, frames each way, and that what one side counted the other did too.

#include <map>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "tests/guest/machine.h"
#include "tests/guest/nic.h"

using Catch::Matchers::ContainsSubstring;
using skbtrail::tests::eventually;
using skbtrail::tests::Machine;
using skbtrail::tests::MachineOptions;
using skbtrail::tests::Nic;
using skbtrail::tests::Scratch;

namespace {

/// Frames that the driver counted.
struct Counted {
    std::uint64_t received = 0;
    std::uint64_t sent = 0;
};

/// After the last frame: the link is down, so that nothing moves between the readings.
Counted count(Machine& machine) {
    machine.agent().must("ip link set eth0 down");
    return {machine.agent().statistic("rx_packets"), machine.agent().statistic("tx_packets")};
}

void check_nothing_lost(const Nic& nic, const Counted& driver) {
    INFO(nic.log());
    CHECK(nic.received().frames == driver.received);
    CHECK(nic.sent().frames == driver.sent);
    CHECK(nic.received().dropped == 0);
    CHECK(nic.sent().dropped == 0);
}

void check_negotiated(const Nic& nic, const std::string& what) {
    const auto all = nic.negotiations();
    INFO(nic.log());
    REQUIRE_FALSE(all.empty());
    CHECK_THAT(all.back(), ContainsSubstring(what));
}

}  // namespace

TEST_CASE("QEMU: machine types q35 and pc, one after another on one NIC") {
    const Scratch scratch;
    const auto socket = scratch.path() / "nic";
    Nic nic(scratch, socket);
    Counted all;
    for (const char* type : {"q35", "pc"}) {
        CAPTURE(type);
        Machine machine(scratch, socket, {.type = type});
        machine.agent().bring_up_network();
        const Counted one = count(machine);
        CHECK(one.received >= 3);  // an ARP reply and two echo replies
        CHECK(one.sent >= 3);
        all.received += one.received;
        all.sent += one.sent;
        machine.quit();
    }
    REQUIRE(nic.says("front end left"));
    nic.stop();
    check_negotiated(nic, "version_1");
    check_negotiated(nic, "mrg_rxbuf");
    check_nothing_lost(nic, all);
}

TEST_CASE("QEMU: the guest reboots, and is reset") {
    const Scratch scratch;
    const auto socket = scratch.path() / "nic";
    Nic nic(scratch, socket);
    Machine machine(scratch, socket);
    machine.agent().bring_up_network();
    Counted all = count(machine);
    const auto once_more = [&] {
        machine.agent().bring_up_network();
        const Counted one = count(machine);
        all.received += one.received;
        all.sent += one.sent;
    };
    machine.reboot();
    once_more();
    // In the middle of its life: rings full of buffers, the link up.
    machine.agent().must("ip link set eth0 up");
    machine.reset();
    once_more();
    machine.quit();
    nic.stop();
    CHECK(nic.negotiations().size() >= 3);
    check_nothing_lost(nic, all);
}

TEST_CASE("QEMU: the driver is unbound and bound, and changes its queues, rings and offloads") {
    const Scratch scratch;
    const auto socket = scratch.path() / "nic";
    Nic nic(scratch, socket, {"--wire", "nat", "--queues", "4"});
    Machine machine(scratch, socket,
                    {.cpus = 2,
                     .queue_pairs = 4,
                     .device = {"rx_queue_size=1024", "tx_queue_size=1024"},
                     .ethtool = true});
    machine.agent().bring_up_network();

    const std::string device =
        machine.agent().must("basename $(readlink /sys/class/net/eth0/device)");
    const std::string driver = "/sys/bus/virtio/drivers/virtio_net/";
    Counted all = count(machine);
    machine.agent().must("echo " + device + " > " + driver + "unbind");
    CHECK(machine.agent().run("ls /sys/class/net/eth0").status != 0);
    machine.agent().must("echo " + device + " > " + driver + "bind");
    REQUIRE(machine.agent()
                .run("for i in $(seq 100); do test -e /sys/class/net/eth0 && break; "
                     "sleep 0.1; done; test -e /sys/class/net/eth0")
                .status == 0);
    machine.agent().bring_up_network();

    // Queues in use: QEMU turns the driver's command into SET_VRING_ENABLE.
    for (const char* pairs : {"4", "1", "3", "2"}) {
        CAPTURE(pairs);
        machine.agent().must(std::string("ethtool -L eth0 combined ") + pairs);
        CHECK_THAT(machine.agent().must("ethtool -l eth0"),
                   ContainsSubstring(std::string("Combined:\t") + pairs));
        CHECK(machine.agent().ping());
    }

    // Ring sizes: the driver would reset single queues for it (VIRTIO_F_RING_RESET), of which
    // QEMU tells a vhost-user back end nothing: not offered, the driver refuses, all stays.
    const auto rings = [&] { return machine.agent().must("ethtool -g eth0"); };
    const std::string before = rings();
    CHECK_THAT(before, ContainsSubstring("1024"));
    const auto resized = machine.agent().run("ethtool -G eth0 rx 256 tx 256");
    INFO(resized.output);
    CHECK(resized.status != 0);
    CHECK(rings() == before);
    CHECK(machine.agent().ping());

    // Offloads: what the driver takes and gives changes while frames flow.
    const std::map<std::string, std::string> offloads = {
        {"tx", "tx-checksumming"},
        {"sg", "scatter-gather"},
        {"gro", "generic-receive-offload"},
        {"tso", "tcp-segmentation-offload"},
    };
    for (const char* const offload : {"tso", "tx", "sg", "gro"}) {
        for (const char* const to : {"off", "on"}) {
            CAPTURE(offload, to);
            machine.agent().must(std::string("ethtool -K eth0 ") + offload + " " + to);
            CHECK_THAT(machine.agent().must("ethtool -k eth0"),
                       ContainsSubstring(offloads.at(offload) + ": " + to));
            CHECK(machine.agent().ping("10.0.2.2", 1));
        }
    }
    // What the driver has fixed it does not pretend to change.
    CHECK_THAT(machine.agent().must("ethtool -k eth0"),
               ContainsSubstring("rx-checksumming: on [fixed]"));
    CHECK(machine.agent().run("ethtool -K eth0 rx off").status != 0);
    const Counted rest = count(machine);
    all.received += rest.received;
    all.sent += rest.sent;
    machine.quit();
    nic.stop();
    CHECK(nic.negotiations().size() >= 2);
    check_nothing_lost(nic, all);
}

TEST_CASE("QEMU: a NIC that dies is found again") {
    const Scratch scratch;
    const auto socket = scratch.path() / "nic";
    Nic first(scratch, socket);
    Machine machine(scratch, socket, {.reconnect = std::chrono::milliseconds(200)});
    machine.agent().bring_up_network();
    const auto carrier = [&] { return machine.agent().must("cat /sys/class/net/eth0/carrier"); };
    CHECK(carrier() == "1");

    first.kill();
    CHECK(eventually([&] { return carrier() == "0"; }));
    const std::uint64_t received = machine.agent().statistic("rx_packets");
    const std::uint64_t sent = machine.agent().statistic("tx_packets");

    Nic second(scratch, socket);
    REQUIRE(eventually([&] { return carrier() == "1"; }));
    CHECK(machine.agent().ping("10.0.2.2", 3));
    const Counted all = count(machine);
    machine.quit();
    second.stop();
    // A frame that the driver wanted to send while there was no NIC may go out now, or have gone
    // nowhere: the driver says which.
    CHECK(second.sent().frames <= all.sent - sent);
    CHECK(second.received().frames == all.received - received);
    CHECK(second.received().frames >= 3);
    CHECK(second.sent().frames >= 3);
}
