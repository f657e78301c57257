// iPXE, the boot loader in QEMU's option ROM, as a driver: no operating system, other rings, no
// interrupts. It asks our nat for an address by DHCP.

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <signal.h>

#include "tests/guest/nic.h"
#include "tests/guest/nic_report.h"

namespace fs = std::filesystem;
using Catch::Matchers::ContainsSubstring;
using skbtrail::tests::eventually;
using skbtrail::tests::last_report;
using skbtrail::tests::Nic;
using skbtrail::tests::Program;
using skbtrail::tests::Scratch;

TEST_CASE("iPXE in QEMU's option ROM gets an address") {
    const std::string type = GENERATE("q35", "pc");
    CAPTURE(type);
    const Scratch scratch;
    const fs::path socket = scratch.path() / "nic";
    const fs::path console = scratch.path() / "console";
    Nic nic(scratch, socket);
    // Without graphics the BIOS, and what it starts, speaks on the serial port. The ROM is for the
    // modern device alone: the BIOS compares identifiers.
    Program qemu(scratch,
                 {"/usr/bin/setpriv",
                  "--pdeathsig",
                  "KILL",
                  "qemu-system-x86_64",
                  "-nodefaults",
                  "-no-user-config",
                  "-display",
                  "none",
                  "-m",
                  "128M",
                  "-machine",
                  type + ",graphics=off,accel=tcg,memory-backend=memory",
                  "-object",
                  "memory-backend-memfd,id=memory,size=128M,share=on",
                  "-serial",
                  "file:" + console.string(),
                  "-chardev",
                  "socket,id=nic,path=" + socket.string(),
                  "-netdev",
                  "vhost-user,id=net,chardev=nic",
                  "-device",
                  "virtio-net-pci,netdev=net,bootindex=0,disable-legacy=on,mac=52:54:00:12:34:56,"
                  "romfile=/usr/lib/ipxe/qemu/pxe-virtio.rom"});
    const auto said = [&] {
        std::ifstream file(console, std::ios::binary);
        return std::string(std::istreambuf_iterator<char>(file), {});
    };
    const bool configured = eventually(
        [&] { return said().find("10.0.2.15") != std::string::npos; }, std::chrono::seconds(60));
    INFO(said());
    CHECK(configured);
    qemu.signal(SIGTERM);
    CHECK(qemu.wait(std::chrono::seconds(30)) == 0);
    nic.stop();
    INFO(nic.log());
    REQUIRE_FALSE(nic.negotiations().empty());
    CHECK_THAT(nic.negotiations().back(), ContainsSubstring("version_1"));
    // Discover and offer, request and acknowledgement.
    CHECK(nic.sent().frames >= 2);
    CHECK(nic.received().frames >= 2);
    CHECK(nic.sent().dropped == 0);
    CHECK(nic.received().dropped == 0);
    // iPXE shows no counters at its end, so what both sides of the NIC counted is compared: what
    // left the driver's rings is what the wire was given, and the other way round.
    const auto report = last_report(nic.log());
    CHECK(report.wire_from_guest == nic.sent().frames);
    CHECK(report.wire_to_guest == nic.received().frames);
    CHECK(report.wire_dropped == 0);
    CHECK(report.wire_waiting == 0);
}
